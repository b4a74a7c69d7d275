"""How far a budget has come, which thresholds that is, and when it will be full. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing.invoicing.forecast import basis_of, elapsed_days
from seats.periods import DAY, next_month

# With fewer dates behind it an average says little.
FORECAST_AFTER = 3
FULL = 100
# What is kept of a level: what is more, an agency may well send, and its number must
# not keep others from being told.
MAX_STORED = Decimal(10) ** 14 - Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class BudgetLevel:
    """What was used of a budget in a month, what will be, and when it will be full."""

    used: Decimal
    expected: Decimal
    full_on: date | None = None


def level_of(
    by: Callable[[date], Decimal],
    *,
    used: Decimal,
    limit: Decimal,
    month: date,
    today: date,
) -> BudgetLevel:
    """The level of a month as of a local date; `by` says what is expected by a date."""
    last = next_month(month) - DAY
    used, expected = min(used, MAX_STORED), min(by(last), MAX_STORED)
    tells = basis_of(month, today) == "elapsed" and (
        elapsed_days(month, today) >= FORECAST_AFTER
    )
    if not tells or used >= limit or expected < limit:
        return BudgetLevel(used, expected)
    return BudgetLevel(used, expected, _first_date(by, limit, today, last))


def reached(level: BudgetLevel, limit: Decimal, thresholds: Iterable[int]) -> list[int]:
    """Those thresholds, in percent of the limit, that are reached, in order."""
    return [one for one in sorted(thresholds) if level.used * FULL >= limit * one]


def _first_date(
    by: Callable[[date], Decimal], limit: Decimal, today: date, last: date
) -> date:
    """The first date by whose end the limit is reached; `by` never falls."""
    while today < last:
        middle = today + DAY * ((last - today).days // 2)
        if by(middle) >= limit:
            last = middle
        else:
            today = middle + DAY
    return today
