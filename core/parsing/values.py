"""Strict parsers for untrusted numbers, dates and times: ASCII, one notation. Pure.

Python's own parsers also accept `1_000`, non-ASCII digits and blanks. The API, forms,
files and commands all use these functions, so they accept the same values.
"""

import re
from datetime import date, datetime
from decimal import Decimal

DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
INSTANT = re.compile(r"[0-9TtZzW:., +-]*")
SHOWN = 40
LONGEST = 4_000  # characters of a number


def parse_decimal(text: str) -> Decimal:
    """A decimal number, of any size. Raises ValueError for anything else."""
    if len(text) > LONGEST or not DECIMAL.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a plain decimal number.")
    return Decimal(text)


def parse_integer(text: str) -> int:
    """A whole number of at most 18 digits. Raises ValueError for anything else."""
    if not INTEGER.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a plain whole number.")
    return int(text)


def parse_date(text: str) -> date:
    """A date in the form 2026-03-09. Raises ValueError for anything else."""
    if DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(f"{shown(text)} is not a date; write it as 2026-03-09.")


def parse_month(text: str) -> date:
    """The first day of a month in the form 2026-10. Raises ValueError otherwise."""
    if MONTH.fullmatch(text):
        try:
            return date.fromisoformat(f"{text}-01")
        except ValueError:
            pass
    raise ValueError(f"{shown(text)} is not a month; write it as 2026-10.")


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date and time; aware if it has an offset, else naive.

    Raises ValueError for anything else.
    """
    if not INSTANT.fullmatch(text):
        raise ValueError(f"{shown(text)} is not an ISO 8601 time.")
    return datetime.fromisoformat(text)


def shown(text: str) -> str:
    """A value from outside for a message: quoted, and cut after 40 characters."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}...")
