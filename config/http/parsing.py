"""The JSON parser of request bodies: strict, with limits on size and depth."""

from decimal import Decimal
from typing import Any

import msgspec
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from core.errors import BodyTooLarge
from core.parsing.strict_json import decode_json

MOST_BYTES = 1_048_576
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class StrictJson(BaseParser):
    """Standard JSON only; deep nesting and duplicate keys are refused."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, context: Any = None) -> Any:
        body = stream.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            raise BodyTooLarge(
                f"The request body is larger than {MOST_BYTES} bytes. Send smaller"
                " requests."
            )
        try:
            return decode_json(body, _decode)
        except msgspec.ValidationError as error:  # a number of thousands of digits
            raise ParseError(
                f"The request body is not valid JSON: {error}", "bad_json"
            ) from error
