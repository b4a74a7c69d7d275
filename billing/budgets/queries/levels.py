"""Reads how much of each budget is used, for many agencies at once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from django.db import connection

from billing.budgets.domain.levels import BudgetLevel, level_of
from billing.budgets.models import Budget
from billing.budgets.queries.sql import MONTH_USES
from billing.invoicing.domain.forecast import (
    MeterUse,
    forecast_billable,
    forecast_month,
)
from billing.invoicing.queries.facts import Span, seat_days_of
from billing.pricing.domain.rating import MeterNotPriced, PriceListTerms
from billing.pricing.models import Meter
from billing.pricing.queries import price_lists_for
from core.money import round_places
from core.periods import local_date, month_of, next_month, previous_month
from core.postgres.arrays import columns
from seats.agencies.queries.agencies import zones_of
from seats.models import CutoffCounter

PLACES = 6


@dataclass(slots=True)
class AgencyMonth:
    """The usage of an agency in a month, as of its local date `today`."""

    agency_id: int
    month: date
    today: date
    prices: PriceListTerms
    seat_days: int = 0
    uses: dict[tuple[str, int | None], MeterUse] = field(default_factory=dict)

    def use(self, meter: str, agent_id: int | None) -> MeterUse:
        """The usage of a meter by one agent, or by all agents if none is given."""
        return _sum(
            use
            for (code, agent), use in self.uses.items()
            if code == meter and agent_id in (None, agent)
        )


def months_of(budgets: Collection[Budget], *, now: datetime) -> list[AgencyMonth]:
    """This month and the last of the budgets' agencies, in a few queries.

    Months before an agency's first budget, or without a price list, are left out.
    """
    since: dict[int, date] = {}
    for budget in budgets:
        earliest = since.get(budget.agency_id, budget.since)
        since[budget.agency_id] = min(earliest, budget.since)
    currencies = {budget.agency_id: budget.agency.currency for budget in budgets}
    todays = {
        agency_id: local_date(now, zones)
        for agency_id, zones in zones_of(since).items()
    }
    wanted = [
        (agency_id, month, today)
        for agency_id, today in todays.items()
        for month in (previous_month(today), month_of(today))
        if month >= since[agency_id]
    ]
    lists = price_lists_for(
        currencies=set(currencies.values()), months={month for _, month, _ in wanted}
    )
    agency_months = [
        AgencyMonth(agency_id, month, today, lists[currencies[agency_id], month])
        for agency_id, month, today in wanted
        if (currencies[agency_id], month) in lists
    ]
    _add_uses(agency_months)
    _add_seat_days(agency_months)
    return agency_months


def levels_of(
    budgets: Sequence[Budget], months: Sequence[AgencyMonth]
) -> list[tuple[Budget, AgencyMonth, BudgetLevel]]:
    """The level of each budget in those months; absent if its meter has no price."""
    units = dict(Meter.objects.values_list("code", "billed_unit"))
    by_agency: dict[int, list[AgencyMonth]] = {}
    for month in months:
        by_agency.setdefault(month.agency_id, []).append(month)
    levels = []
    for budget in budgets:
        for month in by_agency.get(budget.agency_id, []):
            if month.month < budget.since:
                continue
            try:
                level = _level(budget, month, units)
            except MeterNotPriced:
                continue
            levels.append((budget, month, level))
    return levels


def _level(budget: Budget, at: AgencyMonth, units: Mapping[str, str]) -> BudgetLevel:
    if budget.meter is None:
        return _level_of_money(budget, at, dict(units))
    use = at.use(budget.meter.code, budget.agent_id)
    size = Fraction(at.prices.rate(budget.meter.code).unit_size)

    def expected_by(day: date) -> Decimal:
        billable = forecast_billable(
            use, month=at.month, today=at.today, through=max(day, at.today)
        )
        return round_places(Fraction(billable) / size, PLACES)

    used = round_places(Fraction(use.elapsed + use.today) / size, PLACES)
    return level_of(
        expected_by, used=used, limit=budget.limit, month=at.month, today=at.today
    )


def _level_of_money(
    budget: Budget, at: AgencyMonth, units: dict[str, str]
) -> BudgetLevel:
    uses = {code: at.use(code, None) for code, _ in at.uses}

    def amounts_by(day: date) -> tuple[Decimal, Decimal]:
        meters = forecast_month(
            uses,
            seat_days=at.seat_days,
            prices=at.prices,
            units=units,
            month=at.month,
            today=at.today,
            through=max(day, at.today),
        ).meters
        now = sum((meter.amount for meter in meters), Decimal(0))
        return now, sum((meter.forecast_amount for meter in meters), Decimal(0))

    used, _ = amounts_by(at.today)
    return level_of(
        lambda day: amounts_by(day)[1],
        used=used,
        limit=budget.limit,
        month=at.month,
        today=at.today,
    )


def _sum(uses: Iterable[MeterUse]) -> MeterUse:
    elapsed = today = last_month = Decimal(0)
    for use in uses:
        elapsed += use.elapsed
        today += use.today
        last_month += use.last_month
    return MeterUse(elapsed, today, last_month)


def _add_uses(months: Sequence[AgencyMonth]) -> None:
    spans = [
        (
            at.agency_id,
            previous_month(at.month),
            at.month,
            min(at.today, next_month(at.month)),
            next_month(at.month),
        )
        for at in months
    ]
    with connection.cursor() as cursor:
        cursor.execute(MONTH_USES, columns(spans, 5))
        for n, code, agent_id, elapsed, rest, before in cursor.fetchall():
            months[n - 1].uses[code, agent_id] = MeterUse(elapsed, rest, before)


def _add_seat_days(months: Sequence[AgencyMonth]) -> None:
    """Add the seat days as of now, whoever pays: allowances depend on them."""
    cutoffs = dict(
        CutoffCounter.objects.filter(
            agency__in={at.agency_id for at in months}
        ).values_list("agency", "cutoff")
    )
    spans = [
        Span(at.agency_id, at.month, at.month, next_month(at.month),
             cutoffs[at.agency_id], {})
        for at in months
    ]  # fmt: skip
    for at, days in zip(months, seat_days_of(spans), strict=True):
        at.seat_days = days
