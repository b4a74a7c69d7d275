"""Telephone numbers: whether one is public, and which meter a call to it has. Pure.

One place for all feeds. Numbers are read as a US switch writes or dials them: E.164 with
or without the plus, ten or eleven digits, 011 or 00 for other countries, and 9 for an
outside line. A number in another country, or in the North American plan outside the US
(with its territories) and Canada, is international.
"""

import re
from enum import Enum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

HOME = frozenset(["US", "CA", "PR", "VI", "GU", "AS", "MP"])
NORTH_AMERICA = re.compile(r"\+?1?([2-9][0-9]{2})[2-9][0-9]{6}")
NORTH_AMERICA_E164 = re.compile(r"\+1[0-9]*")
PUBLIC = re.compile(r"\+?[0-9]{7,}")
EXTENSION = re.compile(r"[0-9]{2,6}")
SCHEME = re.compile(r"^(?:sips?|tel):", re.IGNORECASE)
PUNCTUATION = str.maketrans("", "", " ()-.")
INTERNATIONAL_PREFIXES = ("011", "00")
SHORTEST_ABROAD = 7


class NumberKind(Enum):
    """Where a number is."""

    DOMESTIC = "domestic"
    TOLL_FREE = "toll-free"
    ABROAD = "abroad"


def digits_of(address: str) -> str:
    """The digits of a number or of a SIP or tel address, with a leading plus."""
    return SCHEME.sub("", address.strip()).partition("@")[0].partition(";")[0].translate(
        PUNCTUATION
    )  # fmt: skip


def is_extension(name: str) -> bool:
    """Whether a name is a short number, as extensions are."""
    return EXTENSION.fullmatch(name) is not None


@lru_cache(maxsize=50_000)
def is_public(address: str) -> bool:
    """Whether an address is a number of the public network, not an extension."""
    return PUBLIC.fullmatch(digits_of(address)) is not None


@lru_cache(maxsize=50_000)
def meter_of(*, inbound: bool, to: str) -> str:
    """The meter of a call to a number or address."""
    kind = kind_of(to)
    if inbound:
        return "voice.in.tf" if kind is NumberKind.TOLL_FREE else "voice.in"
    return "voice.out.intl" if kind is NumberKind.ABROAD else "voice.out"


def kind_of(address: str) -> NumberKind:
    """Where the number in an address is; what is not a public number is domestic."""
    match = NORTH_AMERICA.fullmatch(address) or NORTH_AMERICA.fullmatch(
        digits_of(address)
    )
    return _kind_of_area(match[1]) if match else _kind_of(digits_of(address))


@lru_cache(maxsize=1_000)
def _kind_of_area(area: str) -> NumberKind:
    """The kind of an area code; in the plan, region and toll-free depend on it alone."""
    return _kind_in_library(f"+1{area}2345678")


@lru_cache(maxsize=50_000)
def _kind_of(digits: str) -> NumberKind:
    if NORTH_AMERICA_E164.fullmatch(digits):
        return NumberKind.DOMESTIC
    if digits.startswith("+"):
        return _kind_in_library(digits)
    for prefix in INTERNATIONAL_PREFIXES:
        if digits.startswith(prefix) and len(digits) > len(prefix) + SHORTEST_ABROAD:
            return kind_of(f"+{digits[len(prefix) :]}")
    if digits.startswith("9") and len(digits) > len("9011"):
        outside = digits[1:]
        if NORTH_AMERICA.fullmatch(outside) or outside.startswith("011"):
            return kind_of(outside)
    if PUBLIC.fullmatch(digits) and _is_valid(f"+{digits}"):
        return _kind_in_library(f"+{digits}")
    return NumberKind.DOMESTIC


def _is_valid(number: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number))
    except NumberParseException:
        return False


def _kind_in_library(number: str) -> NumberKind:
    """The kind of a number in E.164."""
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return NumberKind.ABROAD
    is_toll_free = phonenumbers.number_type(parsed) == PhoneNumberType.TOLL_FREE
    if parsed.country_code == 1 and is_toll_free:
        return NumberKind.TOLL_FREE
    region = phonenumbers.region_code_for_number(parsed)
    at_home = region in HOME or (region is None and parsed.country_code == 1)
    return NumberKind.DOMESTIC if at_home else NumberKind.ABROAD
