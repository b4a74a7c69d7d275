"""Splits a stream into JSON records without parsing them, in constant memory. Pure.

Only strings and brackets matter, so a record that is not valid JSON does not affect the
others: the caller decodes each on its own.
"""

import re
from collections.abc import Iterator
from typing import IO

CHUNK = 65_536
TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]|"', re.DOTALL)
# Inside a record: everything up to its next bracket.
BRACKET = re.compile(
    rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[\]{}])', re.DOTALL
)
# An object with at most one nested level, as most are, in a single match.
_PLAIN = rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+'
_LEVELS = rb"(\{%s(?:(?:\{%s\}|\[%s\])%s)*+\})" % ((_PLAIN,) * 4)
OBJECT = re.compile(rb"\s*+" + _LEVELS, re.DOTALL)
ELEMENT = re.compile(rb"\s*+" + _LEVELS + rb"\s*+,", re.DOTALL)
# Where a record may start after one whose brackets or quotes are broken.
NEXT_RECORD = re.compile(rb"[,}\n]\s*+(?=\{\s*+\")")
# Text that may be the start of a record: nothing but literals between its strings.
LITERALS = re.compile(
    rb'(?:[\s,:\[\]{}0-9eE+.\-truefalsn]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL
)
# Brackets, and commas before one: in an object, a key stands behind a comma.
STRUCTURE = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|([\[\]{}])|(,)\s*+(?=[\[{])', re.DOTALL
)
MOST_KEPT = 4  # how many times the longest record is kept, to find where one is broken
REREAD_FACTOR = 16  # how many records of the longest kind may be read again
REREAD_SHARE = 4  # how often, on average, a byte may be read again
CLOSES = {b"]": b"[", b"}": b"{"}
OPENS = (b"[", b"{")


class Unreadable(Exception):
    """The rest of a file cannot be split into records; the message is the reason."""


class TooLong(Unreadable):
    """A record is longer than allowed."""

    def __init__(self, longest: int) -> None:
        super().__init__(f"A record has more than {longest} bytes.")


def split_records(
    file: IO[bytes], *, container: bytes = b"", key: str = "", longest: int
) -> Iterator[bytes]:
    """The records of a file as bytes, up to the first broken one.

    See RecordSplitter. Raises Unreadable.
    """
    return RecordSplitter(file, container=container, key=key, longest=longest).records()


class RecordSplitter:
    """Splits a file into records, and goes on after a broken one.

    Records are values one after another or, with `container` `[`, the elements of lists
    or, with `{`, those of the lists that objects hold under `key`.
    """

    def __init__(
        self, file: IO[bytes], *, container: bytes = b"", key: str = "", longest: int
    ) -> None:
        self._file = file
        self._longest = longest
        self._container = {b"": b"", b"[": b"[", b"{": b"{["}[container]
        self._depth = len(self._container)  # of the records
        self._key = b'"%s"' % key.encode()
        self._stack = bytearray()  # the open brackets
        self._buffer = b""
        self._start = 0  # of the record, or of the text between two records
        self._position = 0  # of the next token
        self._last_string = b""
        self._inside = not container
        self._resumed = False
        self._is_long = False  # the start of the record was dropped
        self._skipped = False  # a record that is too long, whole
        self._budget = REREAD_FACTOR * longest

    def resume(self) -> bool:
        """After Unreadable, go to where the next record may start; False without one.

        That is after a record that is too long, if it has an end. Text may be read
        several times, so how much of it is limited.
        """
        if self._skipped:
            self._skipped, self._resumed = False, True
            return True
        while match := NEXT_RECORD.search(self._buffer, self._start):
            self._budget -= len(self._buffer) - match.end()
            if self._budget < 0:
                return False
            self._buffer = self._buffer[match.end() :]
            self._start = self._position = 0
            self._is_long = False
            self._stack = bytearray(self._container)
            self._inside = self._resumed = True
            return True
        return False

    def records(self) -> Iterator[bytes]:
        """The records as bytes, unchanged.

        Raises Unreadable if the structure is broken or a record is longer than
        `longest`; then `resume`, and call this again.
        """
        whole = ELEMENT if self._container else OBJECT
        while self._read_more():
            while True:
                if self._inside and self._is_between() and not self._is_long:
                    while match := whole.match(self._buffer, self._start):
                        self._start = self._position = match.end()
                        yield self._checked(match[1])
                token = self._next_token()
                if not token:
                    break
                yield from self._take(token)
        if rest := self._rest():
            yield rest

    def _rest(self) -> bytes:
        """What is left at the end of the file. Raises Unreadable inside a record."""
        rest = self._buffer[self._start :].strip()
        if self._is_long:
            self._buffer = b""  # nothing in it is a record
            raise TooLong(self._longest)
        if self._stack or (rest and self._container):
            raise Unreadable("It ends inside a record.")
        if len(rest) > self._longest:
            raise TooLong(self._longest)
        return rest

    def _read_more(self) -> bool:
        """Read the next chunk, and drop the records that were returned."""
        if self._is_between():
            blank = self._buffer[self._start : self._position]
            if not blank.strip():
                self._start = self._position
        elif not self._inside:
            self._start = self._position
        self._buffer = self._buffer[self._start :]
        self._position -= self._start
        self._start = 0
        if self._resumed:
            self._resumed = False
            return True
        if len(self._buffer) > MOST_KEPT * self._longest:
            self._drop_long()
        chunk = self._file.read(CHUNK)
        self._buffer += chunk
        self._budget += REREAD_SHARE * len(chunk)
        return bool(chunk)

    def _drop_long(self) -> None:
        """Drop the start of a record that is too long, but not broken.

        Raises TooLong for one that is broken: the next may start within what is kept.
        """
        match = LITERALS.match(self._buffer, self._position)
        end = match.end() if match else self._position
        is_text = self._buffer[end : end + 1] == b'"'
        if not self._is_inside() or not (is_text or end == len(self._buffer)):
            raise TooLong(self._longest)
        if not self._is_long and _is_broken(self._buffer[self._start : self._position]):
            raise TooLong(self._longest)
        text = self._buffer[end + 1 :]
        escapes = text[len(text.rstrip(b"\\")) :]  # the text goes on after them
        self._buffer = b'"' + escapes if is_text else b""
        self._is_long, self._start, self._position = True, 0, 0

    def _is_inside(self) -> bool:
        """Whether a record is open."""
        return self._inside and not self._is_between()

    def _next_token(self) -> bytes:
        """The next complete token; empty if more must be read."""
        if self._is_inside():
            match = BRACKET.match(self._buffer, self._position)
            if match is None:
                return b""
            self._position = match.end()
            return match[1]
        match = TOKEN.search(self._buffer, self._position)
        if match is None or match[0] == b'"':
            self._position = match.start() if match else len(self._buffer)
            return b""
        self._position = match.end()
        return match[0]

    def _is_between(self) -> bool:
        """Whether no record is open."""
        return len(self._stack) == (self._depth if self._inside else 0)

    def _take(self, token: bytes) -> Iterator[bytes]:
        if token in OPENS:
            self._open(token)
        elif token in CLOSES:
            yield from self._close(token)
        elif token == b",":
            if self._inside and self._container and self._is_between():
                yield self._cut(self._position - 1)
        else:
            self._last_string = token

    def _open(self, token: bytes) -> None:
        if not self._inside and not self._stack:
            self._require_blank()
        self._stack += token
        is_container = not self._inside and self._stack == self._container
        if is_container and (token != b"[" or len(self._container) == 1
                             or self._last_string == self._key):  # fmt: skip
            self._inside, self._start = True, self._position

    def _close(self, token: bytes) -> Iterator[bytes]:
        if not self._stack or self._stack[-1:] != CLOSES[token]:
            raise Unreadable(f"A `{token.decode()}` has no opening bracket.")
        last = b""
        if self._inside and self._container and self._is_between():
            last = self._buffer[self._start : self._position - 1].strip()
            self._inside, self._start = False, self._position
        self._stack.pop()
        if not self._container and not self._stack:
            yield self._cut(self._position)
        elif not self._stack:
            self._start = self._position
        if last:
            yield self._checked(last)

    def _cut(self, end: int) -> bytes:
        """The record up to `end`; the next one starts after its comma."""
        record = self._buffer[self._start : end].strip()
        if not record:
            raise Unreadable("A comma has no record before it.")
        self._start = self._position
        return self._checked(record)

    def _checked(self, record: bytes) -> bytes:
        """The record, which is behind `_start`. Raises TooLong."""
        if self._is_long or len(record) > self._longest:
            self._is_long, self._skipped = False, True
            raise TooLong(self._longest)
        return record

    def _require_blank(self) -> None:
        between = self._buffer[self._start : self._position - 1]
        if between.strip():
            raise Unreadable("There is text between two records.")


def _is_broken(start: bytes) -> bool:
    """Whether the start of a record lacks a quote or a closing bracket."""
    if not LITERALS.fullmatch(start):
        return True
    stack = bytearray()
    for match in STRUCTURE.finditer(start):
        bracket, comma = match.groups()
        if comma and stack[-1:] == b"{":
            return True
        if bracket in OPENS:
            stack += bracket
        elif bracket:
            del stack[-1:]
    return False
