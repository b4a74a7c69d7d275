"""Signatures of Stripe's webhooks. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import stripe

from billing.processors.domain.port import NotSigned
from core.parsing.strict_json import JsonRefused, decode_json

TOLERANCE = timedelta(minutes=5)  # on both sides of now; the library checks the past
LONGEST_ID = 200
LONGEST_TIMESTAMP = 11  # digits


class EventId(msgspec.Struct):
    """The part of an event that is read before it is kept."""

    id: str


_decode_id = msgspec.json.Decoder(EventId).decode


def verified_id(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime
) -> str:
    """The id of an event that one of the secrets signed at most 5 minutes ago.

    Raises NotSigned, whatever is wrong.
    """
    header = headers.get("stripe-signature", "")
    if not _is_recent(header, now) or not any(
        _is_signed_by(secret, header, body) for secret in secrets
    ):
        raise NotSigned(
            "The `Stripe-Signature` header is missing, not valid, or more than 5 minutes"
            " off. Check the signing secret of the processor."
        )
    try:
        event_id = decode_json(body, _decode_id).id
    except (msgspec.DecodeError, JsonRefused) as error:
        raise NotSigned("The signed body is not an event of Stripe's.") from error
    if not (0 < len(event_id) <= LONGEST_ID and event_id.isprintable()):
        raise NotSigned(
            f"The `id` of the signed event is not 1 to {LONGEST_ID} printable characters."
        )
    return event_id


def _is_recent(header: str, now: datetime) -> bool:
    """Whether the signed time lies within the tolerance."""
    parts = [part.split("=") for part in header.split(",")]
    timestamps = [part[1] for part in parts if part[0] == "t" and len(part) > 1]
    text = timestamps[0] if timestamps else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_TIMESTAMP):
        return False
    return abs(now - datetime.fromtimestamp(int(text), UTC)) <= TOLERANCE


def _is_signed_by(secret: str, header: str, body: bytes) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, header, secret))
    except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):
        return False  # TypeError: a signature that is not in ASCII
