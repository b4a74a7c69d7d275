"""The body of a request with usage events: its size, and its bytes as they came."""

from typing import Any

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from core.errors import BodyTooLarge, Kind, Refusal
from core.parsing.values import shown

MOST_BYTES = 8 * 1024 * 1024


class LengthRequired(Refusal):
    """The request has no valid Content-Length header.

    Send the size of the body in bytes, and no Transfer-Encoding header.
    """

    code = "length_required"
    kind = Kind.LENGTH_REQUIRED


class RawParser(BaseParser):
    """Keeps the bytes of the body; the serializers decode them."""

    def parse(self, stream: Any, media_type: Any = None, context: Any = None) -> Any:
        return bytes(stream.read(MOST_BYTES + 1))


def body_of(request: Request) -> bytes:
    """The bytes of the body. Raises BodyTooLarge, LengthRequired, and
    UnsupportedMediaType if it is compressed.
    """
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise UnsupportedMediaType(
            encoding,
            f"Content-Encoding {shown(encoding)} is not supported. Send the body"
            " uncompressed, without a Content-Encoding header.",
        )
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired(
            "A body with Transfer-Encoding is not accepted. Send a Content-Length header."
        )
    length = request.headers.get("Content-Length") or "0"
    if not (length.isascii() and length.isdecimal()):
        raise LengthRequired(
            f"Content-Length {shown(length)} is not a number. Send the size of the body"
            " in bytes."
        )
    if int(length) > MOST_BYTES:
        raise BodyTooLarge(
            f"The body has {length[:20]} bytes; the limit is {MOST_BYTES} bytes. Send fewer"
            " events per request."
        )
    body = request.data
    return body if isinstance(body, bytes) else b""
