"""Quantities in JSON: a number, or a string that holds one. Pure."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from core.parsing.values import parse_decimal, shown

# Raw, because decoding to Decimal would accept 1_000 and full-width digits, too.
Quantity = Annotated[
    msgspec.Raw,
    msgspec.Meta(extra_json_schema={"type": ["number", "string"], "format": "decimal"}),
]
# Checked first: a number such as 1e900000 takes long to write out.
LONGEST_SECONDS = timedelta.max.days * 86400


class BadQuantity(ValueError):
    """A quantity that is not a plain decimal number."""


def quantity_of(raw: msgspec.Raw) -> Decimal:
    """The decimal in a JSON number or string. Raises BadQuantity."""
    text = bytes(raw).decode(errors="replace")
    number = text[1:-1] if text[:1] == '"' else text
    try:
        return parse_decimal(number)
    except ValueError as error:
        message = f"The quantity is {shown(text)}. Send a plain decimal number."
        raise BadQuantity(message) from error


def duration_of(seconds: Decimal) -> timedelta:
    """A number of seconds as a duration, exact to the microsecond, half to even.

    Raises OverflowError for durations that Python cannot hold.
    """
    if abs(seconds) > LONGEST_SECONDS:
        raise OverflowError(f"{seconds} seconds are too many.")
    return timedelta(microseconds=round(seconds * 1_000_000))
