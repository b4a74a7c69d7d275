"""Making, using and revoking API keys."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256

from django.db.models import Q

from seats.agencies.models import Agency
from seats.errors import Refusal
from seats.keys.models import ApiKey

SECRET_BYTES = 32
PREFIX = 12
USED_EVERY = timedelta(hours=1)


class UnknownScope(Refusal):
    code = "unknown_scope"


class ExpiresInThePast(Refusal):
    code = "expires_in_the_past"


def create_key(
    *,
    agency: Agency | None,
    scopes: Collection[str],
    actor: str,
    now: datetime,
    label: str = "",
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key of an agency, or of the platform, and its secret, told this once.

    Raises UnknownScope, ExpiresInThePast.
    """
    known = [str(scope) for scope in ApiKey.Scope]
    if not scopes or not set(scopes) <= set(known):
        raise UnknownScope(f"Scopes are {', '.join(known)}.", field="scope")
    if expires_at is not None and expires_at <= now:
        raise ExpiresInThePast("The key would never be valid.", field="expires_at")
    token = f"dk_{secrets.token_hex(4)}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = ApiKey.objects.create(
        agency=agency,
        label=label,
        prefix=token[:PREFIX],
        digest=_digest(token),
        scopes=sorted(scopes),
        created_by=actor,
        created_at=now,
        expires_at=expires_at,
    )
    return key, token


def use_key(*, token: str, now: datetime) -> ApiKey | None:
    """The key of a secret if it is valid now; notes its use, once an hour."""
    key = (
        ApiKey.objects.filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            digest=_digest(token),
            revoked_at=None,
        )
        .select_related("agency")
        .first()
    )
    if key and (key.last_used_at is None or key.last_used_at < now - USED_EVERY):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def revoke_key(*, key: ApiKey, now: datetime) -> None:
    """End a key for ever. Repeating is harmless."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)


def _digest(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()
