"""Where a month under way is heading. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from billing.money import round_money, round_places
from billing.pricing.proration import seat_charge
from billing.pricing.rating import PriceListTerms, RatedUsage, rate_usage
from seats.periods import days_in_month, previous_month

PLACES = 6
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class MeterUse:
    """What a meter counted, in raw units: on dates that are over, today, last month."""

    elapsed: Decimal = ZERO
    today: Decimal = ZERO
    last_month: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class MeterForecast:
    """A meter so far and at the month's end; quantities in billed units."""

    meter: str
    unit: str
    billable: Decimal
    quantity: Decimal
    amount: Decimal
    forecast_quantity: Decimal
    forecast_amount: Decimal


@dataclass(frozen=True, slots=True)
class MonthForecast:
    """A month so far and at its end. `basis` names what the average was taken of."""

    currency: str
    basis: str
    elapsed_days: int
    days: int
    seat_days: int
    seat_amount: Decimal
    meters: list[MeterForecast]

    @property
    def total(self) -> Decimal:
        return sum((one.amount for one in self.meters), self.seat_amount)

    @property
    def forecast_total(self) -> Decimal:
        return sum((one.forecast_amount for one in self.meters), self.seat_amount)


def elapsed_days(month: date, today: date) -> int:
    """How many dates of a month are over; today is under way."""
    return max(min((today - month).days, days_in_month(month)), 0)


def basis_of(month: date, today: date) -> str:
    """What a forecast is made of: complete, elapsed, or last_month on the first day."""
    elapsed = elapsed_days(month, today)
    if elapsed == days_in_month(month):
        return "complete"
    return "elapsed" if elapsed else "last_month"


def forecast_billable(
    use: MeterUse, *, month: date, today: date, through: date | None = None
) -> Decimal:
    """What a meter will have counted by the month's end, in raw units; or by the end
    of a date of it, from today on.

    So far, plus the average of the dates that are over for each date that is left;
    today counts as what it has or as the average, whichever is more. On the first
    day the average is that of last month's dates, or nothing if nothing was used.
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
    """A month so far and at its end, or at that of a date of it; seats as they stand.
    Each amount is rounded once.

    The allowance is that of the whole month from its first day on. Meters of last
    month alone, which have no price any more, are left out. Raises MeterNotPriced.
    """
    meters = []
    for meter, use in sorted(uses.items()):
        used = use.elapsed + use.today
        if not used and meter not in prices.rates_by_meter:
            continue
        expected = forecast_billable(use, month=month, today=today, through=through)
        terms = prices.rate(meter)
        now, then = (
            rate_usage(billable=much, terms=terms, seat_days=seat_days, month=month)
            for much in (used, expected)
        )
        told = _meter_forecast(now, then, prices.currency)
        meters.append(MeterForecast(meter, units[meter], used, **told))
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


def _meter_forecast(
    now: RatedUsage, then: RatedUsage, currency: str
) -> dict[str, Decimal]:
    return {
        "quantity": round_places(now.quantity, PLACES),
        "amount": round_money(now.amount, currency),
        "forecast_quantity": round_places(then.quantity, PLACES),
        "forecast_amount": round_money(then.amount, currency),
    }
