"""Argument types of commands: months and days."""

from argparse import ArgumentTypeError
from datetime import date

from core.parsing import values


def parse_month(text: str) -> date:
    """The first day of a month in the form 2026-10. Raises ArgumentTypeError."""
    try:
        return values.parse_month(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def parse_day(text: str) -> date:
    """A date in the form 2026-10-31. Raises ArgumentTypeError."""
    try:
        return values.parse_date(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
