"""An agency's month as of now: its forecast, and what rounding of calls costs."""

from datetime import date
from decimal import Decimal

from billing.invoicing.domain.charges import SpanFacts
from billing.invoicing.domain.forecast import MeterUse, MonthForecast, forecast_month
from billing.invoicing.domain.increments import (
    OTHER_INCREMENTS,
    IncrementComparison,
    MonthTerms,
    compare_increments,
)
from billing.invoicing.queries.facts import Span, facts_of
from billing.metering.queries.usage import RoundingRule, rounded_usage
from billing.pricing.models import Meter
from billing.pricing.queries import published_price_list
from core.errors import Refusal
from core.periods import next_month, previous_month
from seats.cutoffs.models import CutoffCounter
from seats.models import Agency

SECOND = "second"


class MonthNotBegun(Refusal):
    """The month has not begun in the agency's time zone.

    Choose the current month or an earlier one.
    """

    code = "month_not_begun"


def month_forecast(*, agency: Agency, month: date, today: date) -> MonthForecast:
    """An agency's month so far and at its end; `today` is its local date.

    Raises MonthNotBegun, PriceMissing.
    """
    if month > today:
        raise MonthNotBegun(
            f"{month:%B %Y} has not begun; today is {today}. Choose {today:%Y-%m} or an"
            " earlier month.",
            field="month",
        )
    prices = published_price_list(agency.currency, month)
    end = next_month(month)
    over = min(today, end)
    elapsed, rest, before = _facts(
        agency,
        (month, month, over),
        (month, over, end),
        (previous_month(month), previous_month(month), month),
    )
    meters = elapsed.usage.keys() | rest.usage.keys() | before.usage.keys()
    return forecast_month(
        {
            meter: MeterUse(
                elapsed=_billable(elapsed, meter),
                today=_billable(rest, meter),
                last_month=_billable(before, meter),
            )
            for meter in meters
        },
        seat_days=elapsed.seat_days + rest.seat_days,
        prices=prices,
        units=_units(),
        month=month,
        today=today,
    )


def rounding_report(*, agency: Agency, month: date) -> list[IncrementComparison]:
    """What each meter counted in seconds would have cost with other increments.

    Raises PriceMissing, MeterNotPriced.
    """
    prices = published_price_list(agency.currency, month)
    (facts,) = _facts(agency, (month, month, next_month(month)))
    units = _units()
    usages = rounded_usage(
        agency_id=agency.pk,
        month=month,
        raw_unit=SECOND,
        rules=[RoundingRule(*steps) for steps in OTHER_INCREMENTS],
    )
    return [
        compare_increments(
            MonthTerms(
                prices.rate(usage.meter), facts.seat_days, month, agency.currency
            ),
            unit=units[usage.meter],
            used=usage.raw,
            billable=usage.billable,
            others=usage.rounded,
        )
        for usage in usages
    ]


def _facts(agency: Agency, *spans: tuple[date, date, date]) -> list[SpanFacts]:
    """The facts of each (month, start, end) as of now, whoever pays."""
    cutoff = CutoffCounter.objects.get(agency=agency.pk).cutoff
    return facts_of(
        [Span(agency.pk, month, start, end, cutoff, {}) for month, start, end in spans]
    )


def _billable(facts: SpanFacts, meter: str) -> Decimal:
    return facts.usage[meter].billable if meter in facts.usage else Decimal(0)


def _units() -> dict[str, str]:
    return dict(Meter.objects.values_list("code", "billed_unit"))
