"""Charts of the overview about money: by month, by agent, and of rounding."""

from collections import Counter
from datetime import date
from decimal import Decimal

from django.http import HttpRequest

from billing.invoicing.admin.bills import by_currency, items_of, priced_bills, things
from billing.invoicing.domain.bill_changes import LATE, SEATS, BillItem
from billing.invoicing.queries.agent_costs import AgentCost, agent_costs
from billing.invoicing.queries.billed_items import billed_items
from billing.invoicing.services.running_bills import RoundingCost, RunningBill
from core.admin.panels import Cell, ChartKind, Money, Panel, Table, cell_text
from core.money import round_places
from core.periods import previous_month
from seats.access.admin.overview import OVERVIEW, shown_agencies
from seats.access.domain import Action

MONTHS_SHOWN = 12
METERS_SHOWN = 4
AGENTS_SHOWN = 25
ZERO = Decimal(0)
SECONDS = 60


@OVERVIEW.panel("cost-by-month", order=120, permission=Action.VIEW_MONEY)
def cost_by_month(request: HttpRequest) -> Panel | None:
    """What each month was billed at, by thing; this month so far."""
    group = _only_currency(request)
    if group is None:
        return None
    currency, bills = group
    month = bills[0].month
    first = month
    for _ in range(MONTHS_SHOWN - 1):
        first = previous_month(first)
    months: dict[date, list[BillItem]] = {}
    billed = billed_items({b.payer.pk for b in bills}, first=first, last=month)
    for (_, of_month), stored in billed.items():
        months.setdefault(of_month, []).extend(stored)
    for name, of_month in (("before", previous_month(month)), ("so_far", month)):
        if items := items_of(bills, name):
            months[of_month] = items
    if not months:
        return None
    columns = _things_by_cost(months)
    names = things(request)
    rows: list[list[Cell]] = []
    for of_month in sorted(months):
        sums = _sums(months[of_month], columns)
        label = f"{of_month:%Y-%m}{' so far' if of_month == month else ''}"
        amounts = [*sums, sum(sums, ZERO)]
        rows.append([label, *(Money(amount, currency) for amount in amounts)])
    titles = [names[thing][0] if thing else "Other usage" for thing in columns]
    return Panel(
        key="cost-by-month",
        title="Cost by month",
        table=Table(
            ["Month", *titles, "Total"],
            rows,
            chart_columns=range(1, len(columns) + 1),
        ),
        chart=ChartKind.STACKED,
        summary="Cost by month: "
        + ", ".join(f"{row[0]} {cell_text(row[-1])}" for row in rows)
        + ".",
    )


@OVERVIEW.panel("cost-by-agent", order=140, permission=Action.VIEW_MONEY)
def cost_by_agent(request: HttpRequest) -> Panel | None:
    """What each agent costs this month so far: its seat, and its usage."""
    group = _only_currency(request)
    if group is None:
        return None
    currency, bills = group
    agencies = {a.pk: a.code for a in shown_agencies(request, Action.VIEW_MONEY)}
    costs = agent_costs(
        items_of(bills, "so_far"),
        agency_ids=agencies.keys(),
        month=bills[0].month,
        currency=currency,
    )
    title = f"Cost per agent, {bills[0].month:%B} so far"
    if costs is None:
        return Panel(
            "cost-by-agent", title, sentences=["Choose an agency to see its agents."]
        )
    if not costs:
        return None
    several = len(agencies) > 1
    rows = [_agent_row(cost, agencies, currency, several=several) for cost in costs]
    total: list[Cell] = ["Total", ""] if several else ["Total"]
    for name in ("seats", "usage", "total"):
        amounts = (getattr(cost, name) for cost in costs)
        total.append(Money(sum(amounts, ZERO), currency))
    start = 2 if several else 1
    return Panel(
        key="cost-by-agent",
        title=title,
        table=Table(
            ["Agent", *(["Agency"] if several else []), "Seat", "Usage", "Total"],
            rows,
            total,
            chart_columns=(start, start + 1),
            limit=AGENTS_SHOWN,
        ),
        chart=ChartKind.STACKED,
        summary=(
            f"Cost of {len(costs)} agents this month so far. The most expensive is"
            f" {costs[0].name} with {cell_text(Money(costs[0].total, currency))}."
        ),
    )


@OVERVIEW.panel("rounding", order=150, permission=Action.VIEW_MONEY)
def cost_of_rounding(request: HttpRequest) -> Panel | None:
    """What raising calls to whole steps costs this month so far, by meter."""
    group = _only_currency(request)
    if group is None:
        return None
    currency, bills = group
    names = things(request)
    costs = [cost for bill in bills for cost in bill.rounding]
    sums = _rounding_sums([c for c in costs if names[c.meter][1] == "minute"])
    if not sums:
        return None
    rows: list[list[Cell]] = [
        [
            names[meter][0],
            round_places(raw / SECONDS, 1),
            round_places(billable / SECONDS, 1),
            Money(amount, currency),
        ]
        for meter, (raw, billable, amount) in sorted(sums.items())
    ]
    total = sum((amount for _, _, amount in sums.values()), ZERO)
    raw = sum((values[0] for values in sums.values()), ZERO)
    billable = sum((values[1] for values in sums.values()), ZERO)
    more = round_places((billable - raw) / SECONDS, 0)
    return Panel(
        key="rounding",
        title=f"Cost of rounding, {bills[0].month:%B} so far",
        figure=Money(total, currency),
        sentences=[
            f"Calls are raised to whole steps: {more:,} minutes more than talked."
        ],
        table=Table(
            ["Meter", "Minutes talked", "Minutes billed", "Cost of rounding"],
            rows,
            chart_columns=(1, 2),
        ),
        chart=ChartKind.BAR,
        summary=f"Minutes talked and billed; rounding costs {cell_text(Money(total, currency))}.",
    )


def _rounding_sums(costs: list[RoundingCost]) -> dict[str, tuple[Decimal, ...]]:
    """Raw and billable seconds and the cost, by meter; those of an agency count once."""
    seconds = {(c.agency_id, c.meter): (c.raw, c.billable) for c in costs}
    sums = {
        meter: [
            sum((of[n] for (_, code), of in seconds.items() if code == meter), ZERO)
            for n in (0, 1)
        ]
        for meter in {cost.meter for cost in costs}
    }
    return {
        meter: (*of, sum((c.amount for c in costs if c.meter == meter), ZERO))
        for meter, of in sums.items()
    }


def _only_currency(request: HttpRequest) -> tuple[str, list[RunningBill]] | None:
    """The bills, if they have one currency: a chart has one axis."""
    groups = by_currency(priced_bills(request))
    return next(iter(groups.items())) if len(groups) == 1 else None


def _things_by_cost(months: dict[date, list[BillItem]]) -> list[str]:
    """The columns: seats, the most expensive meters, "" for all others, late lines."""
    sums: Counter[str] = Counter()
    for items in months.values():
        for item in items:
            sums[item.thing] += abs(item.amount)  # type: ignore[assignment]
    meters = [thing for thing, _ in sums.most_common() if thing not in {SEATS, LATE}]
    shown = [meter for meter in meters if sums[meter]]
    columns = [SEATS, *shown[:METERS_SHOWN]]
    columns += [""] if len(shown) > METERS_SHOWN else []
    return columns + ([LATE] if sums[LATE] else [])


def _sums(items: list[BillItem], columns: list[str]) -> list[Decimal]:
    sums = dict.fromkeys(columns, ZERO)
    for item in items:
        if item.amount:
            sums[item.thing if item.thing in sums else ""] += item.amount
    return list(sums.values())


def _agent_row(
    cost: AgentCost, agencies: dict[int, str], currency: str, *, several: bool
) -> list[Cell]:
    code = agencies.get(cost.agency_id or 0, "")
    amounts = (cost.seats, cost.usage, cost.total)
    row: list[Cell] = [cost.name, code] if several else [cost.name]
    return [*row, *(Money(amount, currency) for amount in amounts)]
