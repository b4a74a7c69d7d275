"""JSON in the shapes that feeds come in, one record at a time. Pure.

Objects line by line, a list, objects one after another over many lines, or pages that
hold a list. A file of any size is read in constant memory, and a record that cannot be
read costs no other.
"""

import codecs
import re
from collections.abc import Iterator
from decimal import Decimal
from io import BufferedReader
from itertools import count
from typing import Any

import msgspec

from billing.metering.formats.rows import HEAD, BadRow
from seats.parsing.lines import bounded_lines
from seats.parsing.records import Unreadable, split_records
from seats.parsing.strict_json import JsonRefused, decode_json

LONGEST_RECORD = 1_048_576
Record = dict[str, Any]
Numbered = Iterator[tuple[int, str, Record | BadRow]]

_decode = msgspec.json.Decoder(Record, float_hook=Decimal).decode


def read_records(file: BufferedReader, *, page: str = "") -> Numbered:
    """Number, text and content of each record; what is no JSON object is a BadRow.

    `page` is the name under which a page of the feed holds its list.
    """
    head = file.peek(HEAD)
    if head.startswith(codecs.BOM_UTF8):
        file.read(len(codecs.BOM_UTF8))
    head = head.removeprefix(codecs.BOM_UTF8)
    if head.lstrip()[:1] == b"[":
        return _read_stream(file, b"[")
    if page and re.search(rb'"%s"\s*:\s*\[' % page.encode(), head):
        return _read_stream(file, b"{", page)
    if isinstance(_record_of(head.lstrip().partition(b"\n")[0]), dict):
        return _read_lines(file)
    return _read_stream(file)


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


def _record_of(data: bytes) -> Record | BadRow:
    try:
        return decode_json(data, _decode)
    except msgspec.ValidationError as error:
        return BadRow("bad_json", "", f"Not a JSON object: {error}")
    except JsonRefused as refusal:
        return BadRow(refusal.code, refusal.field or "", refusal.message)


def _read_lines(file: BufferedReader) -> Numbered:
    for number, line in enumerate(bounded_lines(file, LONGEST_RECORD), 1):
        if line is None:
            message = f"A record of more than {LONGEST_RECORD} bytes."
            yield number, "", BadRow("record_too_long", "", message)
        elif line.strip():
            yield number, line.decode(errors="replace").strip(), _record_of(line)


def _read_stream(
    file: BufferedReader, container: bytes = b"", page: str = ""
) -> Numbered:
    records = split_records(file, container=container, key=page, longest=LONGEST_RECORD)
    for number in count(1):
        try:
            record = next(records)
        except StopIteration:
            return
        except Unreadable as reason:
            # What comes after cannot be told apart from what is broken.
            yield number, "", BadRow("bad_json", "", f"Unreadable from here: {reason}")
            return
        yield number, record.decode(errors="replace"), _record_of(record)
