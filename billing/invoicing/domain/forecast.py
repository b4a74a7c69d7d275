"""Forecasts a month from its usage so far. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from billing.pricing.domain.proration import seat_charge
from billing.pricing.domain.rating import PriceListTerms, RatedUsage, rate_usage
from core.money import round_money, round_places
from core.periods import days_in_month, previous_month

PLACES = 6
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class MeterUse:
    """The usage of a meter, in raw units: on past dates, today, and last month."""

    elapsed: Decimal = ZERO
    today: Decimal = ZERO
    last_month: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class MeterForecast:
    """A meter so far and at month end: `billable` in raw units, the rest in billed."""

    meter: str
    unit: str
    billable: Decimal
    quantity: Decimal
    amount: Decimal
    forecast_quantity: Decimal
    forecast_amount: Decimal


@dataclass(frozen=True, slots=True)
class MonthForecast:
    """A month so far and at its end. `basis` is the period that was averaged."""

    currency: str
    basis: str
    elapsed_days: int
    days: int
    seat_days: int
    seat_amount: Decimal
    meters: list[MeterForecast]

    @property
    def total(self) -> Decimal:
        return sum((meter.amount for meter in self.meters), self.seat_amount)

    @property
    def forecast_total(self) -> Decimal:
        return sum((meter.forecast_amount for meter in self.meters), self.seat_amount)


def elapsed_days(month: date, today: date) -> int:
    """How many dates of a month are over; today is not."""
    return max(min((today - month).days, days_in_month(month)), 0)


def basis_of(month: date, today: date) -> str:
    """The basis of a forecast: complete, elapsed, or last_month on the first day."""
    elapsed = elapsed_days(month, today)
    if elapsed == days_in_month(month):
        return "complete"
    return "elapsed" if elapsed else "last_month"


def forecast_billable(
    use: MeterUse, *, month: date, today: date, through: date | None = None
) -> Decimal:
    """Forecast a meter's usage, in raw units, by the end of the month or of `through`.

    It is the usage so far, plus the average of the past dates for each date left. Today
    counts as its usage or the average, whichever is more. On the first day the average
    is last month's.
    """
    days, elapsed = days_in_month(month), elapsed_days(month, today)
    if elapsed == days:
        return use.elapsed
    if elapsed:
        average = Fraction(use.elapsed) / elapsed
    else:
        average = Fraction(use.last_month) / days_in_month(previous_month(month))
    rest = (through - today).days if through else days - elapsed - 1
    today_alone = max(Fraction(use.today), average)
    expected = Fraction(use.elapsed) + today_alone + rest * average
    return round_places(expected, PLACES)


def forecast_month(
    uses: dict[str, MeterUse],
    *,
    seat_days: int,
    prices: PriceListTerms,
    units: dict[str, str],
    month: date,
    today: date,
    through: date | None = None,
) -> MonthForecast:
    """A month so far, and by its end or the end of `through`. Amounts are rounded once.

    Seats count as they are now, and the allowance is the whole month's. Meters that
    were used last month only and have no price now are left out. Raises MeterNotPriced.
    """
    meters = []
    for meter, use in sorted(uses.items()):
        used = use.elapsed + use.today
        if not used and meter not in prices.rates_by_meter:
            continue
        expected = forecast_billable(use, month=month, today=today, through=through)
        terms = prices.rate(meter)
        now, then = (
            rate_usage(billable=total, terms=terms, seat_days=seat_days, month=month)
            for total in (used, expected)
        )
        figures = _meter_figures(now, then, prices.currency)
        meters.append(MeterForecast(meter, units[meter], used, **figures))
    return MonthForecast(
        currency=prices.currency,
        basis=basis_of(month, today),
        elapsed_days=elapsed_days(month, today),
        days=days_in_month(month),
        seat_days=seat_days,
        seat_amount=seat_charge(
            seat_price=prices.seat_price,
            seat_days=seat_days,
            month=month,
            currency=prices.currency,
        ),
        meters=meters,
    )


def _meter_figures(
    now: RatedUsage, then: RatedUsage, currency: str
) -> dict[str, Decimal]:
    return {
        "quantity": round_places(now.quantity, PLACES),
        "amount": round_money(now.amount, currency),
        "forecast_quantity": round_places(then.quantity, PLACES),
        "forecast_amount": round_money(then.amount, currency),
    }
