"""Create, use and revoke API keys."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import connection

from core.errors import Refusal
from core.parsing.values import shown
from core.scopes import api_scopes
from seats.agencies.models import Agency
from seats.api_keys.models import ApiKey

SECRET_BYTES = 32
PREFIX = 12
KEY = [field.attname for field in ApiKey._meta.concrete_fields]
AGENCY = [field.attname for field in Agency._meta.concrete_fields]
# Plain SQL instead of the ORM, because every request runs it first.
FIND = f"""
    SELECT {", ".join(f"key.{name}" for name in KEY)},
           {", ".join(f"agency.{name}" for name in AGENCY)}
    FROM seats_apikey AS key LEFT JOIN seats_agency AS agency ON agency.id = key.agency_id
    WHERE key.digest = %s AND key.revoked_at IS NULL
      AND (key.expires_at IS NULL OR key.expires_at > %s)
"""
USED_EVERY = timedelta(hours=1)


class UnknownScope(Refusal):
    """A scope does not exist, or none was selected.

    Choose from the scopes that `detail` lists.
    """

    code = "unknown_scope"


class ExpiresInThePast(Refusal):
    """The expiration time is in the past.

    Choose a later expiration time.
    """

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
    """Create a key of an agency (None: the platform) and return it with its secret.

    The secret is returned only here. Not safe to repeat: each call creates another key.
    Raises UnknownScope, ExpiresInThePast.
    """
    available = api_scopes()
    if not scopes or not set(scopes) <= available.keys():
        unknown = sorted(set(scopes) - available.keys())
        problem = (
            f"Scope {shown(unknown[0])} does not exist." if unknown else "No scope."
        )
        raise UnknownScope(
            f"{problem} Choose from: {', '.join(available)}.", field="scope"
        )
    if expires_at is not None and expires_at <= now:
        raise ExpiresInThePast(
            f"{expires_at.isoformat()} is in the past. Choose a later expiration time.",
            field="expires_at",
        )
    token = f"dk_{secrets.token_hex(4)}_{secrets.token_urlsafe(SECRET_BYTES)}"
    key = ApiKey.objects.create(
        agency=agency,
        label=label,
        prefix=token[:PREFIX],
        digest=token_digest(token),
        scopes=sorted(scopes),
        created_by=actor,
        created_at=now,
        expires_at=expires_at,
    )
    return key, token


def use_key(*, token: str, now: datetime) -> ApiKey | None:
    """The key with this secret if it is valid at `now`; records its use once an hour."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [token_digest(token), now])
        row = cursor.fetchone()
    key = _key_of(row) if row else None
    if key and not is_use_recorded(key, now=now):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def is_use_recorded(key: ApiKey, *, now: datetime) -> bool:
    """Whether a use of the key within the last hour is already recorded."""
    return key.last_used_at is not None and key.last_used_at >= now - USED_EVERY


def bearer_secret(header: str) -> str:
    """The bearer token of an `Authorization` header; empty if it has none."""
    scheme, _, secret = header.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def token_digest(token: str) -> str:
    """The SHA-256 of a secret, as it is stored."""
    return sha256(token.encode(errors="replace")).hexdigest()


def revoke_key(*, key: ApiKey, now: datetime) -> bool:
    """Revoke a key permanently; False if it was already revoked. Safe to repeat."""
    live = ApiKey.objects.filter(pk=key.pk, revoked_at=None)
    return bool(live.update(revoked_at=now))


def _key_of(row: tuple[Any, ...]) -> ApiKey:
    key = ApiKey.from_db(connection.alias, KEY, row[: len(KEY)])
    if key.agency_id is not None:
        key.agency = Agency.from_db(connection.alias, AGENCY, row[len(KEY) :])
    return key
