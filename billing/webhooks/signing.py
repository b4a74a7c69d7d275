"""Secrets of endpoints, and signatures by them as Standard Webhooks has it. Pure."""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography.fernet import Fernet, MultiFernet
from standardwebhooks import Webhook

PREFIX = "whsec_"
SECRET_BYTES = 32


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


def _box(keys: Sequence[str]) -> MultiFernet:
    """Keys are any text with enough in it; what encrypts is their SHA-256."""
    digests = [hashlib.sha256(key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(one)) for one in digests])
