"""How much of a budget is used, and when it will be used up. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from billing.invoicing.domain.forecast import basis_of, elapsed_days
from core.periods import DAY, next_month

# With fewer days of usage, the average is too rough for a forecast.
FORECAST_AFTER = 3
FULL = 100
# The largest quantity that is stored. An agency may send more, and a number that is too
# large must not keep other agencies from their alerts.
MAX_STORED = Decimal(10) ** 14 - Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class BudgetLevel:
    """What is used of a budget, what is expected by month end, and when it is full.

    Quantities are in the budget's unit.
    """

    used: Decimal
    expected: Decimal
    full_on: date | None = None


def level_of(
    expected_by: Callable[[date], Decimal],
    *,
    used: Decimal,
    limit: Decimal,
    month: date,
    today: date,
) -> BudgetLevel:
    """The level of a month as of a local date.

    `expected_by` returns the usage expected by the end of a date, and never falls.
    """
    last = next_month(month) - DAY
    used, expected = min(used, MAX_STORED), min(expected_by(last), MAX_STORED)
    has_forecast = basis_of(month, today) == "elapsed" and (
        elapsed_days(month, today) >= FORECAST_AFTER
    )
    if not has_forecast or used >= limit or expected < limit:
        return BudgetLevel(used, expected)
    return BudgetLevel(used, expected, _first_date(expected_by, limit, today, last))


def reached(level: BudgetLevel, limit: Decimal, thresholds: Iterable[int]) -> list[int]:
    """The thresholds, in percent of the limit, that are reached, in order."""
    return [
        threshold
        for threshold in sorted(thresholds)
        if level.used * FULL >= limit * threshold
    ]


def _first_date(
    expected_by: Callable[[date], Decimal], limit: Decimal, today: date, last: date
) -> date:
    """The first date, from today to `last`, by whose end the limit is reached."""
    while today < last:
        middle = today + DAY * ((last - today).days // 2)
        if expected_by(middle) >= limit:
            last = middle
        else:
            today = middle + DAY
    return today
