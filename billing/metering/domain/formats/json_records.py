"""Reads JSON records from the file shapes that feeds use, one at a time. Pure.

These are one object per line, a list, objects one after another, or pages that hold a
list. Files of any size are read in constant memory, and an invalid record does not
affect the others.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from io import BufferedReader
from itertools import count
from typing import Any

import msgspec

from billing.metering.domain.formats.rows import HEAD, BadRow, UnreadRecord
from core.parsing.lines import bounded_lines
from core.parsing.records import RecordSplitter, TooLong, Unreadable
from core.parsing.strict_json import JsonRefused, decode_json

LONGEST_RECORD = 1_048_576
BLANK = b" \t\r\n\0"
LINES_TRIED = 100  # to see whether each line is a record
Record = dict[str, Any]
Numbered = Iterator[tuple[int, str, Record | BadRow]]

_decode = msgspec.json.Decoder(Record, float_hook=Decimal).decode


def is_json(file: BufferedReader) -> bool:
    """Whether a file begins with a bracket, after a byte order mark or blanks."""
    return _text_of(file.peek(HEAD))[:1] in (b"{", b"[")


def read_records(file: BufferedReader, *, page: str = "") -> Numbered:
    """The number, text and content of each record; a BadRow if it is not a JSON object.

    `page` is the key under which a page of the feed holds its list.
    """
    head = file.peek(HEAD)
    text = _text_of(head)
    file.read(len(head) - len(text))
    if text[:1] == b"[":
        return _read_stream(file, b"[")
    if page and re.search(rb'"%s"\s*:\s*\[' % page.encode(), text):
        return _read_stream(file, b"{", page)
    lines = text.splitlines()[:LINES_TRIED]
    if any(isinstance(_record_of(line), dict) for line in lines if line.strip()):
        return _read_lines(file)
    return _read_stream(file)


def _text_of(head: bytes) -> bytes:
    """The start of a file without a byte order mark and blanks."""
    return head.lstrip(BLANK).removeprefix(codecs.BOM_UTF8).lstrip(BLANK)


def text_at(record: Record, *names: str) -> str:
    """The text of the scalar at nested keys; empty if there is none.

    Raises BadRow if it is not a scalar.
    """
    value: Any = record
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if type(value) is str:  # as most are
        return value
    if value is None:
        return ""
    if isinstance(value, bool | str | int | Decimal):
        return str(value)
    path = ".".join(names)
    raise BadRow("bad_row", path, f"`{path}` is neither text nor a number.")


def texts_in(record: Record, name: str) -> Callable[[str], str]:
    """The texts of the scalars in the object at a key, by their keys, as `text_at`."""
    members = record.get(name)
    if not isinstance(members, dict):
        return partial(text_at, record, name)

    def text(key: str) -> str:
        value = members.get(key)
        return value if type(value) is str else text_at(record, name, key)

    return text


def _record_of(data: bytes) -> Record | BadRow:
    try:
        return decode_json(data, _decode)
    except msgspec.ValidationError as error:
        return UnreadRecord(
            "bad_json", "", f"The record is not a JSON object: {error}."
        )
    except JsonRefused as refusal:
        return UnreadRecord(refusal.code, refusal.field or "", refusal.message)


def _read_lines(file: BufferedReader) -> Numbered:
    for number, line in enumerate(bounded_lines(file, LONGEST_RECORD), 1):
        if line is None:
            message = f"The record has more than {LONGEST_RECORD} bytes."
            yield number, "", UnreadRecord("record_too_long", "", message)
        elif line.strip(BLANK):
            yield number, line.decode(errors="replace").strip(), _record_of(line)


def _read_stream(
    file: BufferedReader, container: bytes = b"", page: str = ""
) -> Numbered:
    splitter = RecordSplitter(
        file, container=container, key=page, longest=LONGEST_RECORD
    )
    records = splitter.records()
    for number in count(1):
        try:
            record = next(records)
        except StopIteration:
            return
        except Unreadable as reason:
            code = "record_too_long" if isinstance(reason, TooLong) else "bad_json"
            if splitter.resume():
                message = f"The record cannot be read: {reason}"
                yield number, "", UnreadRecord(code, "", message)
                records = splitter.records()
                continue
            message = f"The file cannot be read from here on: {reason}"
            yield number, "", UnreadRecord(code, "", message)
            return
        yield number, record.decode(errors="replace"), _record_of(record)
