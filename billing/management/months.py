"""Months and days as people write them on a command line."""

from argparse import ArgumentTypeError
from datetime import date

from seats.parsing import values


def parse_month(text: str) -> date:
    """The first day of a month written 2026-10."""
    try:
        return values.parse_month(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def parse_day(text: str) -> date:
    """A date written 2026-10-31."""
    try:
        return values.parse_date(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
