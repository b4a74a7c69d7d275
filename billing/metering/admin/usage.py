"""The page of usage: a month by day, agent, meter and dial mode, without any money."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from billing.metering.admin.shown_usage import (
    CALLS,
    MESSAGES,
    mode_name,
    names_of,
    usage_scope,
)
from billing.metering.models import UsageDay
from billing.metering.queries.usage import TooManyTotals, Total, usage_totals
from billing.pricing.models import Meter
from core.admin.dressing import DressedForm
from core.admin.pages import AgencyPanels
from core.admin.panels import Cell, ChartKind, Panel, Table
from core.admin.scoped import any_of
from core.money import round_places
from core.parsing.values import parse_month
from core.periods import (
    DateRange,
    month_of,
    month_range,
    months_between,
    previous_month,
)
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates

MONTHS = 24
AGENTS = 500  # that the filter offers
ALL = ("", "All")

USAGE = AgencyPanels(
    name="usage",
    path="usage/",
    title="Usage",
    permission=Action.VIEW_USAGE,
    menu=("Usage", "Usage"),
    intro=(
        "Calls, minutes and messages of a month, by the local dates of the agency. Talked"
        " minutes are as the dialer reported them; billed minutes are raised to the"
        " minimum and the steps of the price list."
    ),
    filters=lambda request: filters_of(request),
)


class UsageFilters(DressedForm, forms.Form):
    """A month, and perhaps one agent, meter or dial mode. Offers what is within reach."""

    agency = forms.CharField(required=False, widget=forms.HiddenInput)
    month = forms.ChoiceField()
    agent = forms.ChoiceField(required=False)
    meter = forms.ChoiceField(required=False)
    dial_mode = forms.ChoiceField(required=False)

    def __init__(self, request: HttpRequest) -> None:
        scope = usage_scope(request)
        days = local_dates(scope.home_ids, now=timezone.now()).values()
        last = month_of(max(days, default=timezone.now().date()))
        super().__init__({"month": f"{last:%Y-%m}", **request.GET.dict()})
        first = last
        for _ in range(MONTHS - 1):
            first = previous_month(first)
        months = [*reversed(months_between(first, last))]
        agents = names_of(scope, AGENTS)
        meters = Meter.objects.order_by("code").values_list("code", "name")
        self._offer("month", [(f"{m:%Y-%m}", f"{m:%B %Y}") for m in months])
        self._offer("agent", [ALL, *((str(pk), str(a)) for pk, a in agents.items())])
        self._offer("meter", [ALL, *meters])
        self._offer("dial_mode", [ALL, *self._modes(scope, months)])

    def _offer(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        offered: Any = self.fields[name]
        offered.choices = choices

    def _modes(self, scope: Any, months: Sequence[date]) -> list[tuple[str, str]]:
        month = next(
            (m for m in months if f"{m:%Y-%m}" == self.data["month"]), months[0]
        )
        dates = month_range(month)
        within = Q(agency__in=any_of(scope.agency_ids))
        if scope.agent_ids:
            within |= Q(agent__in=any_of(scope.agent_ids))
        days = UsageDay.objects.filter(
            within, used_on__gte=dates.start, used_on__lt=dates.end
        ).exclude(breakdown="")
        modes = days.values_list("breakdown", flat=True).distinct()
        return [(mode, mode_name(mode)) for mode in sorted(modes)]


def filters_of(request: HttpRequest) -> UsageFilters:
    """The filters of a request; read once for a page."""
    kept: UsageFilters | None = request.__dict__.get("usage_filters")
    if kept is None:
        kept = request.__dict__["usage_filters"] = UsageFilters(request)
    return kept


@dataclass(slots=True)
class Sums:
    """What one row of a table counts; minutes and messages in billed units."""

    calls: int = 0
    raw: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    messages: Decimal = Decimal(0)
    names: dict[str, Any] = field(default_factory=dict)

    def add(self, total: Total) -> None:
        """Add the usage of a meter: calls or messages; others are not counted."""
        meter = total.group["meter"]
        if meter.startswith(CALLS):
            self.calls += total.events
            self.raw += total.raw_quantity or 0
            self.billed += total.quantity or 0
        elif meter in MESSAGES:
            self.messages += total.quantity or 0

    def cells(self) -> list[Cell]:
        """Calls, talked and billed minutes, messages."""
        places = (round_places(value, 1) for value in (self.raw, self.billed))
        return [self.calls, *places, round_places(self.messages, 0)]


COLUMNS = ["Calls", "Minutes talked", "Minutes billed", "Messages"]
MINUTES = (2, 3)


@USAGE.panel("by-day", order=10)
def by_day(request: HttpRequest) -> Panel | None:
    """A row for each date of the month with usage."""
    return _pivot(request, "by-day", "day", title="By day", label=_day)


@USAGE.panel("by-agent", order=20)
def by_agent(request: HttpRequest) -> Panel | None:
    """A row for each agent; what the dialer names no agent for stands apart."""
    names = {
        (agent.agency.code, agent.external_id): str(agent)
        for agent in names_of(usage_scope(request), AGENTS).values()
    }

    def label(group: dict[str, Any]) -> str:
        external_id: str | None = group["agent"]
        if external_id is None:
            return "no agent"
        return names.get((group["agency"], external_id), external_id)

    return _pivot(request, "by-agent", "agency", "agent", title="By agent", label=label)


@USAGE.panel("by-dial-mode", order=40)
def by_dial_mode(request: HttpRequest) -> Panel | None:
    """A row for each dial mode."""
    return _pivot(
        request,
        "by-dial-mode",
        "dial_mode",
        title="By dial mode",
        label=lambda group: mode_name(group["dial_mode"]),
    )


@USAGE.panel("by-meter", order=30)
def by_meter(request: HttpRequest) -> Panel | None:
    """A row for each meter, in its own unit."""
    totals = _totals(request, ["meter"])
    if totals is None:
        return None
    names = dict(Meter.objects.values_list("code", "name"))
    rows: list[list[Cell]] = [
        [
            names[total.group["meter"]],
            total.events,
            round_places(total.raw_quantity or 0, 1),
            round_places(total.quantity or 0, 1),
            f"{total.unit}s" if total.unit else "not priced",
        ]
        for total in totals
    ]
    return Panel(
        key="by-meter",
        title="By meter",
        table=Table(
            ["Meter", "Events", "Raw", "Billed", "Unit"],
            rows,
            empty=NOTHING,
            chart_columns=(2, 3),
        ),
        chart=ChartKind.BAR,
        summary=f"Raw and billed quantities of {len(rows)} meters.",
    )


NOTHING = "Nothing was used. Choose another month, or take a filter away."


def _day(group: dict[str, Any]) -> Cell:
    day: date = group["day"]
    return day


def _pivot(
    request: HttpRequest,
    key: str,
    *names: str,
    title: str,
    label: Callable[[dict[str, Any]], Cell],
) -> Panel | None:
    """A table of calls, minutes and messages by these groups, and a chart of minutes."""
    try:
        totals = _totals(request, [*names, "meter"])
    except TooManyTotals:
        return Panel(
            key, title, sentences=["Choose an agency: there are too many rows."]
        )
    if totals is None:
        return None
    whole = Sums()
    for total in totals:
        whole.add(total)
    agency = ["Agency"] if _has_agencies(request, names) else []
    rows: list[list[Cell]] = []
    for row in _sums(totals, names):
        rows.append(
            [label(row.names), *(row.names[n.lower()] for n in agency), *row.cells()]
        )
    return Panel(
        key=key,
        title=title,
        table=Table(
            [title.removeprefix("By ").capitalize(), *agency, *COLUMNS],
            rows,
            ["Total", *("" for _ in agency), *whole.cells()] if rows else None,
            empty=NOTHING,
            chart_columns=[column + len(agency) for column in MINUTES],
            limit=31,
        ),
        chart=ChartKind.BAR,
        summary=(
            f"Minutes {title.lower()}: {round_places(whole.raw, 0):,} talked and"
            f" {round_places(whole.billed, 0):,} billed in {whole.calls:,} calls."
        ),
        is_wide=True,
    )


def _has_agencies(request: HttpRequest, names: Sequence[str]) -> bool:
    return "agency" in names and len(usage_scope(request).codes) > 1


def _sums(totals: Sequence[Total], names: Sequence[str]) -> list[Sums]:
    """The totals of meters added up by group: dates in order, else the most first."""
    sums: dict[tuple[Any, ...], Sums] = {}
    for total in totals:
        group = tuple(total.group[name] for name in names)
        sums.setdefault(group, Sums(names=total.group)).add(total)
    if "day" in names:
        return list(sums.values())
    return sorted(sums.values(), key=lambda row: -row.billed)


def _totals(request: HttpRequest, group_by: Sequence[str]) -> list[Total] | None:
    """The usage that the filters ask for; None if they ask for what is not offered."""
    filters = filters_of(request)
    if not filters.is_valid():
        return None
    data = filters.cleaned_data
    scope = usage_scope(request)
    agencies, agents = scope.agency_ids, scope.agent_ids
    if data["agent"]:
        agencies, agents = [], [int(data["agent"])]
    dates: DateRange = month_range(parse_month(data["month"]))
    narrowed = {name: data[name] for name in ("meter", "dial_mode") if data[name]}
    return usage_totals(
        agency_ids=agencies,
        agent_ids=agents,
        dates=dates,
        group_by=group_by,
        **narrowed,
    )
