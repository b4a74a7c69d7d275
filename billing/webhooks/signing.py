"""Secrets of endpoints, and signatures by them as Standard Webhooks has it. Pure."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cryptography.fernet import Fernet, MultiFernet
from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32
TOLERANCE = timedelta(minutes=5)  # on both sides of now


def new_secret() -> str:
    """A secret to tell once: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str, keys: Sequence[str]) -> str:
    """A secret as it is stored, encrypted with the first key."""
    return _box(keys).encrypt(secret.encode()).decode()


def unseal(sealed: str, keys: Sequence[str]) -> str:
    """The secret again, whichever of the keys it was stored with.

    Raises cryptography.fernet.InvalidToken.
    """
    return _box(keys).decrypt(sealed.encode()).decode()


def signed_headers(
    *, message: str, body: bytes, secrets: Sequence[str], at: datetime
) -> dict[str, str]:
    """The three headers; one signature for each secret that is valid."""
    # The library takes the clock time for UTC, so the zone must be that.
    moment = at.astimezone(UTC)
    signatures = [
        Webhook(secret).sign(message, moment, body.decode()) for secret in secrets
    ]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def is_signed(
    headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime
) -> bool:
    """Whether somebody with the secret signed exactly this, within the tolerance."""
    message, told = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (message and told.isascii() and told.isdecimal() and len(told) <= 11):
        return False
    moment = datetime.fromtimestamp(int(told), UTC)
    if abs(now - moment) > TOLERANCE:
        return False
    try:
        good = Webhook(secret).sign(message, moment, body.decode()).encode()
    except UnicodeDecodeError:
        return False
    given = headers.get("webhook-signature", "").encode(errors="replace").split()
    return any(hmac.compare_digest(good, one) for one in given)


def _box(keys: Sequence[str]) -> MultiFernet:
    """Keys are any text with enough in it; what encrypts is their SHA-256."""
    digests = [hashlib.sha256(key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(one)) for one in digests])
