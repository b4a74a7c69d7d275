"""JSON in the shapes that feeds come in, one record at a time. Pure.

Objects line by line, a list, objects one after another over many lines, or pages that
hold a list. A file of any size is read in constant memory.
"""

import codecs
import re
from collections.abc import Iterator
from decimal import Decimal
from io import BufferedReader
from typing import Any

import ijson
import msgspec

from billing.metering.formats.rows import HEAD, BadRow

LONGEST_RECORD = 1_048_576
Record = dict[str, Any]

_decode = msgspec.json.Decoder(Record, float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode
_NOT_JSON = (msgspec.DecodeError, ValueError, RecursionError, ArithmeticError)


def read_records(
    file: BufferedReader, *, page: str = ""
) -> Iterator[tuple[int, str, Record | BadRow]]:
    """Number, text and content of each record; what is no JSON object is a BadRow.

    `page` is the name under which a page of the feed holds its list.
    """
    head = file.peek(HEAD)
    if head.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
    head = head.removeprefix(codecs.BOM_UTF8)
    if head.lstrip()[:1] == b"[":
        return _read_stream(file, "item")
    if page and re.search(rb'"%s"\s*:\s*\[' % page.encode(), head):
        return _read_stream(file, f"{page}.item")
    if _is_record(head.lstrip().partition(b"\n")[0]):
        return _read_lines(file)
    return _read_stream(file, "")


def text_at(record: Record, *names: str) -> str:
    """The text of a scalar, looked for under nested names; empty: not there.

    Raises BadRow where something else stands.
    """
    value: Any = record
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    if isinstance(value, bool | str | int | Decimal):
        return str(value)
    raise BadRow("bad_row", ".".join(names), "Neither text nor number.")


def _is_record(line: bytes) -> bool:
    try:
        _decode(line)
    except _NOT_JSON:
        return False
    return True


def _read_lines(file: BufferedReader) -> Iterator[tuple[int, str, Record | BadRow]]:
    for number, line in enumerate(iter(lambda: file.readline(LONGEST_RECORD), b""), 1):
        if not line.strip():
            continue
        text = line.decode(errors="replace").strip()
        try:
            yield number, text, _decode(text)
        except _NOT_JSON as error:
            yield number, text, BadRow("bad_json", "", f"Not a JSON object: {error}")


def _read_stream(
    file: BufferedReader, prefix: str
) -> Iterator[tuple[int, str, Record | BadRow]]:
    number = 0
    records = ijson.items(file, prefix, multiple_values=True)
    while True:
        number += 1
        try:
            record = next(records)
        except StopIteration:
            return
        except (ijson.JSONError, UnicodeDecodeError) as error:
            # What comes after cannot be told apart from what is broken.
            yield number, "", BadRow("bad_json", "", f"Unreadable from here: {error}")
            return
        if isinstance(record, dict):
            yield number, _encode(record).decode(), record
        else:
            yield number, str(record), BadRow("bad_json", "", "Not a JSON object.")
