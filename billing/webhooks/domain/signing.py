"""Signing secrets of endpoints, and signatures of Standard Webhooks. Pure."""

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
    """A new secret: `whsec_` and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str, keys: Sequence[str]) -> str:
    """Encrypt a secret with the first key, for storage."""
    return _fernet(keys).encrypt(secret.encode()).decode()


def unseal(sealed: str, keys: Sequence[str]) -> str:
    """Decrypt a stored secret with whichever of the keys it was sealed with.

    Raises cryptography.fernet.InvalidToken if none of them fits.
    """
    return _fernet(keys).decrypt(sealed.encode()).decode()


def signed_headers(
    *, message: str, body: bytes, secrets: Sequence[str], at: datetime
) -> dict[str, str]:
    """The three headers of Standard Webhooks, with one signature for each secret."""
    # The library treats the naive time as UTC, so convert to UTC first.
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
    """Whether the body was signed with the secret at most TOLERANCE before or after now."""
    message = headers.get("webhook-id", "")
    stamp = headers.get("webhook-timestamp", "")
    if not (message and stamp.isascii() and stamp.isdecimal() and len(stamp) <= 11):
        return False
    moment = datetime.fromtimestamp(int(stamp), UTC)
    if abs(now - moment) > TOLERANCE:
        return False
    try:
        expected = Webhook(secret).sign(message, moment, body.decode()).encode()
    except UnicodeDecodeError:
        return False
    signatures = headers.get("webhook-signature", "").encode(errors="replace").split()
    return any(hmac.compare_digest(expected, signature) for signature in signatures)


def _fernet(keys: Sequence[str]) -> MultiFernet:
    """Keys are any long enough text; their SHA-256 digests encrypt."""
    digests = [hashlib.sha256(key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])
