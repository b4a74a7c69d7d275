"""JSON from outside: bounded before it is parsed, and without duplicate keys. Pure.

A parser that meets deep nesting or millions of objects needs a multiple of the text in
memory, so both are counted in the text first. An object that says a key twice is
refused: which of the two is meant depends on who reads it.
"""

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from seats.errors import Refusal
from seats.parsing.values import shown

T = TypeVar("T")
MAX_DEPTH = 64
MAX_CONTAINERS = 10_000  # objects and lists of one document
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\Z)|[\[\]{}]', re.DOTALL)
_NOT_JSON = (msgspec.DecodeError, RecursionError, ValueError, ArithmeticError)


class JsonRefused(Refusal):
    """JSON that is not read; by its class: why."""

    status = 400


class BadJson(JsonRefused):
    code = "bad_json"


class TooDeep(JsonRefused):
    code = "too_deep"


class DuplicateKey(JsonRefused):
    code = "duplicate_key"


def members_of(value: Any) -> int:
    """How many keys all objects of a decoded value have."""
    if isinstance(value, dict):
        return len(value) + sum(map(members_of, value.values()))
    if isinstance(value, list):
        return sum(map(members_of, value))
    return 0


def decode_json(
    data: bytes,
    decode: Callable[[bytes], T],
    *,
    members: Callable[[T], int] = members_of,
) -> T:
    """What a decoder of msgspec makes of a document that is bounded and strict.

    `members` says how many keys a decoded value has, or fewer: then the text is looked
    through for keys that come twice, which takes longer. Raises BadJson, TooDeep,
    DuplicateKey, and msgspec.ValidationError where it is JSON of another shape.
    """
    require_bounded(data)
    try:
        value = decode(data)
    except msgspec.ValidationError:
        require_unique_keys(data)
        raise
    except _NOT_JSON as error:
        raise BadJson(f"Not JSON: {error}") from error
    require_unique_keys(data, members=members(value))
    return value


def require_bounded(data: bytes) -> None:
    """Refuse nesting that nobody means, without parsing. Raises TooDeep."""
    opened = data.count(b"[") + data.count(b"{")
    if opened <= MAX_DEPTH:
        return
    if opened > MAX_CONTAINERS:
        raise TooDeep(f"More than {MAX_CONTAINERS} objects and lists.")
    depth = 0
    for token in TOKEN.findall(data):
        if token in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise TooDeep(f"Nested more than {MAX_DEPTH} levels deep.")
        elif token in (b"]", b"}"):
            depth -= 1


def require_unique_keys(data: bytes, *, members: int = -1) -> None:
    """Refuse an object that has a key twice. Raises DuplicateKey, and BadJson.

    `members` are the keys that a parser kept, or fewer: a text with no more keys than
    that has none twice, and is not looked at again. The text is bounded.
    """
    if _plain_keys(data) == members:
        return
    try:
        _decode_strictly(data.decode(errors="replace"))
    except (ValueError, RecursionError) as error:
        raise BadJson(f"Not JSON: {error}") from error


def _plain_keys(data: bytes) -> int:
    """How many keys a text has, if that can be seen at a glance; else -2."""
    blank = b" :" in data or b"\t:" in data or b"\n:" in data or b"\r:" in data
    if blank or b"\\" in data:
        return -2
    return data.count(b'":')


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen = set()
    for name, _ in pairs:
        if name in seen:
            message = f"The key {shown(name)} appears twice in one object."
            raise DuplicateKey(message, field=name[:80])
        seen.add(name)


# Numbers stay text: their size is not our concern here.
_decode_strictly = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=str, parse_float=str, strict=False
).decode
