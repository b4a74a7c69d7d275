"""CountedQuantities as JSON spells them: a number, or a text of one. Pure."""

from decimal import Decimal
from typing import Annotated

import msgspec

from seats.parsing.values import parse_decimal, shown

# Not decoded to a Decimal at once: that takes 1_000 and full-width digits, too.
Quantity = Annotated[
    msgspec.Raw,
    msgspec.Meta(extra_json_schema={"type": ["number", "string"], "format": "decimal"}),
]


class BadQuantity(ValueError):
    """A quantity that is no plain number."""


def quantity_of(raw: msgspec.Raw) -> Decimal:
    """The number that a JSON number or string spells. Raises BadQuantity."""
    text = bytes(raw).decode(errors="replace")
    number = text[1:-1] if text[:1] == '"' else text
    try:
        return parse_decimal(number)
    except ValueError as error:
        message = f"Expected a plain decimal number, got {shown(text)}."
        raise BadQuantity(message) from error
