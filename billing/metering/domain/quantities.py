"""Quantities in JSON: a number, or a string that holds one. Pure."""

from decimal import Decimal
from typing import Annotated

import msgspec

from core.parsing.values import parse_decimal, shown

# Raw, because decoding to Decimal would accept 1_000 and full-width digits, too.
Quantity = Annotated[
    msgspec.Raw,
    msgspec.Meta(extra_json_schema={"type": ["number", "string"], "format": "decimal"}),
]


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
