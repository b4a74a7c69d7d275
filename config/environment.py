"""Reading settings from the environment. What cannot be read is named, never quoted
in full: a URL may hold a password.

Each function raises ImproperlyConfigured with the id `config.E006`.
"""

import math
import os
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

LONGEST = 50
VARIABLES = {"app": "DATABASE_URL", "owner": "DATABASE_OWNER_URL"}


def number(name: str, default: int) -> int:
    """A whole number that is not negative."""
    text = os.environ.get(name, str(default))
    if not (text.isascii() and text.isdecimal()):
        raise _refused(name, text, "a whole number of 0 or more")
    return int(text)


def numbers(name: str, default: str) -> list[float]:
    """Numbers with commas between them; empty: none."""
    parts = [part for part in os.environ.get(name, default).split(",") if part]
    return [_positive(name, part) for part in parts]


def amount(name: str, default: str) -> Decimal:
    """An amount of money, in major units; 0 or more."""
    text = os.environ.get(name, default)
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,3})?", text, re.ASCII):
        raise _refused(name, text, "an amount such as 500.00")
    return Decimal(text)


def seconds(name: str, default: float) -> timedelta:
    """A number of seconds; fractions may be."""
    text = os.environ.get(name, str(default))
    try:
        return timedelta(seconds=_positive(name, text))
    except OverflowError:
        raise _refused(name, text, "a shorter time, in seconds") from None


def database_of(url: str, role: str) -> dict[str, Any]:
    """The settings of a PostgreSQL connection by its URL."""
    name = VARIABLES[role]
    wanted = f"Set {name} to a URL such as postgresql://user:password@host/database."
    try:
        settings: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError:
        raise ImproperlyConfigured(
            f"config.E006: {name} cannot be read as a URL. {wanted}"
        ) from None
    if not settings["ENGINE"].endswith("postgresql"):
        raise ImproperlyConfigured(
            f"config.E006: {name} is not the URL of a PostgreSQL database. {wanted}"
        )
    return settings


def _positive(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise _refused(name, text, "a number of 0 or more")
    return value


def _refused(name: str, text: str, wanted: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"config.E006: {name} is {text[:LONGEST]!r}. Set it to {wanted}, or leave it out."
    )
