"""Months as people write them."""

from argparse import ArgumentTypeError
from datetime import date, datetime


def parse_month(text: str) -> date:
    """The first day of a month written 2026-10."""
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007
    except ValueError as error:
        raise ArgumentTypeError(
            f"{text!r} is no month; write it as 2026-10."
        ) from error
