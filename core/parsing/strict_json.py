"""Decodes untrusted JSON: bounded before it is parsed, without duplicate keys. Pure.

Parsing deep nesting or millions of objects takes a multiple of the text in memory, so
both are counted in the text first. An object with a duplicate key is refused, because
parsers differ in which value they keep.
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from core.errors import Kind, Refusal
from core.parsing.values import shown

T = TypeVar("T")
MAX_DEPTH = 64
MAX_CONTAINERS = 10_000  # objects and lists of one document
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_encode = msgspec.json.Encoder(decimal_format="number").encode
_NOT_JSON = (msgspec.DecodeError, RecursionError, ValueError, ArithmeticError)


class JsonRefused(Refusal):
    """The base of refusals of untrusted JSON."""

    kind = Kind.MALFORMED


class BadJson(JsonRefused):
    """The document is not valid JSON.

    Correct the document; `detail` says where parsing failed.
    """

    code = "bad_json"


class TooDeep(JsonRefused):
    """The JSON document is nested too deep, or has too many objects and lists.

    Send a smaller document within the limit that `detail` states.
    """

    code = "too_deep"


class DuplicateKey(JsonRefused):
    """An object of the JSON document has the same key twice.

    Send each key once per object.
    """

    code = "duplicate_key"


def decode_json(
    data: bytes,
    decode: Callable[[bytes], T],
    *,
    members: Callable[[T], int] | None = None,
) -> T:
    """Decode a document with a msgspec decoder, within the limits of this module.

    `members` counts the keys of a value that is no plain JSON. It may return fewer: then
    the text is searched for duplicate keys, which takes longer. Raises BadJson, TooDeep,
    DuplicateKey, and msgspec.ValidationError if the JSON has another shape.
    """
    require_bounded(data)
    try:
        value = decode(data)
    except msgspec.ValidationError:
        require_unique_keys(data)
        raise
    except _NOT_JSON as error:
        raise BadJson(f"The document is not valid JSON: {error}.") from error
    if members is not None:
        require_unique_keys(data, members=members(value))
    elif not _has_every_text(value, data):
        require_unique_keys(data)
    return value


def require_bounded(data: bytes) -> None:
    """Raises TooDeep for too much nesting or too many objects and lists; no parsing."""
    opened = data.count(b"[") + data.count(b"{")
    if opened <= MAX_DEPTH:
        return
    if opened > MAX_CONTAINERS:
        raise TooDeep(
            f"The document has {opened} objects and lists; the limit is"
            f" {MAX_CONTAINERS}."
        )
    depth = 0
    for token in TOKEN.findall(data):
        if token in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise TooDeep(
                    f"The document is nested more than {MAX_DEPTH} levels deep."
                )
        elif token in (b"]", b"}"):
            depth -= 1


def require_unique_keys(data: bytes, *, members: int = -1) -> None:
    """Raises DuplicateKey for an object that has a key twice, and BadJson.

    `members` is the number of keys that a parser kept, or fewer: a text with exactly as
    many keys has no duplicates and is not searched. The text must be bounded.
    """
    if _plain_keys(data) == members:
        return
    try:
        _decode_strictly(data.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise BadJson(f"The document is not valid JSON: {error}.") from error


def _plain_keys(data: bytes) -> int:
    """The number of keys in a text without blanks or escapes; -2 if it has some."""
    blank = b" :" in data or b"\t:" in data or b"\n:" in data or b"\r:" in data
    if blank or b"\\" in data:
        return -2
    return data.count(b'":')


def _has_every_text(value: Any, data: bytes) -> bool:
    """Whether a decoded value has as many texts, keys included, as its document.

    A parser that drops a duplicate key drops at least its text. False if it cannot tell,
    as of a value with defaults or fields of its own.
    """
    if not isinstance(value, dict | list):
        return False
    try:
        return _quotes_in(_encode(value)) == _quotes_in(data)
    except (OverflowError, ValueError):  # such as an integer of more than 64 bits
        return False


def _quotes_in(data: bytes) -> int:
    """The number of quotes that begin or end a text."""
    if b"\\" in data:
        data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    return data.count(b'"')


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            message = f"The key {shown(name)} appears twice in one object."
            raise DuplicateKey(message, field=name[:80])
        seen.add(name)


# Numbers stay text: only the keys matter here, and a number may be of any size.
_decode_strictly = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=str, parse_float=str, strict=False
).decode
