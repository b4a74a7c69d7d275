"""Money: exact arithmetic, and the only place where amounts are rounded. Pure."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor

from core.errors import Refusal
from core.parsing.values import shown

NO_MINOR_UNIT = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
THOUSANDTHS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
HUNDREDTHS = frozenset(
    [
        "AED",
        "ARS",
        "AUD",
        "BGN",
        "BRL",
        "CAD",
        "CHF",
        "COP",
        "CZK",
        "DKK",
        "EGP",
        "EUR",
        "GBP",
        "HKD",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "MAD",
        "MXN",
        "MYR",
        "NGN",
        "NOK",
        "NZD",
        "PEN",
        "PHP",
        "PLN",
        "RON",
        "SAR",
        "SEK",
        "SGD",
        "THB",
        "TRY",
        "TWD",
        "UAH",
        "USD",
        "ZAR",
    ]
)


class UnknownCurrency(Refusal):
    """The currency is not supported.

    Use an ISO 4217 code such as USD.
    """

    code = "unknown_currency"


def minor_digits(currency: str) -> int:
    """The decimal places of a currency's minor unit. Raises UnknownCurrency."""
    if currency in HUNDREDTHS:
        return 2
    if currency in NO_MINOR_UNIT:
        return 0
    if currency in THOUSANDTHS:
        return 3
    raise UnknownCurrency(
        f"Unknown currency {shown(currency)}. Use an ISO 4217 code such as USD.",
        field="currency",
    )


def round_places(number: Fraction | Decimal | int, places: int) -> Decimal:
    """Round exactly to decimal places: half up, away from zero."""
    top, bottom = number.as_integer_ratio()
    units = (2 * abs(top) * 10**places + bottom) // (2 * bottom)
    return Decimal(units if top >= 0 else -units).scaleb(-places)


def round_money(amount: Fraction | Decimal | int, currency: str) -> Decimal:
    """Round an amount to the currency's minor unit. Raises UnknownCurrency."""
    return round_places(amount, minor_digits(currency))


def allocate(
    total: Decimal, weights: Sequence[Fraction | Decimal | int], currency: str
) -> list[Decimal]:
    """Split an amount in proportion to weights, by largest remainder.

    The parts sum to the total; of equal remainders, the first gets the minor unit.
    Raises UnknownCurrency, and ValueError for an amount without any weight.
    """
    unit = Decimal(1).scaleb(-minor_digits(currency))
    exact = [Fraction(weight) for weight in weights]
    whole = sum(exact, Fraction(0))
    if not whole:
        if total:
            raise ValueError(f"Cannot allocate {total} {currency} without weights.")
        return [Decimal(0) * unit for _ in weights]
    units = int(abs(total) / unit)
    shares = [units * weight / whole for weight in exact]
    parts = [floor(share) for share in shares]
    by_remainder = sorted(range(len(parts)), key=lambda n: parts[n] - shares[n])
    for n in by_remainder[: units - sum(parts)]:
        parts[n] += 1
    return [(part if total >= 0 else -part) * unit for part in parts]


def money_text(amount: Decimal, currency: str) -> str:
    """A rounded amount with the decimal places of its currency: "1234.50"."""
    return f"{amount:.{minor_digits(currency)}f}"


def money_label(amount: Decimal, currency: str) -> str:
    """An amount for people, with its currency: "1,234.50 USD"."""
    return f"{amount:,.{minor_digits(currency)}f} {currency}"


@lru_cache(maxsize=10_000)
def plain(number: Decimal) -> str:
    """A decimal in its shortest plain form: 50.000 and 5E+1 are both "50"."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
