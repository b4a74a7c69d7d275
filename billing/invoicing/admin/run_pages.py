"""Pages of billing runs for staff: what a run would bill, and how far one has come."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Count, Sum
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.invoicing.admin.months import MonthForm, newest_month
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.queries.plans import (
    billable_from,
    billed_totals,
    payers_to_bill,
)
from billing.invoicing.services.previews import PlannedBill, planned_bills
from core.admin.pages import StaffPanels
from core.admin.panels import Cell, Link, Money, Panel, Table
from core.parsing.values import parse_month
from core.periods import previous_month
from seats.agencies.admin.support import page_of_agency
from seats.models import Agency

MOST_PAYERS = 250  # whose next documents the page computes; the file has all
REFRESH_SECONDS = 5


def month_form(request: HttpRequest) -> MonthForm:
    """The month in the address; without one, the last that is over."""
    return MonthForm(request.GET if "month" in request.GET else None)


def planned_month(request: HttpRequest) -> date:
    """The month that the page is about. Raises Http404 for one that is not offered."""
    form = month_form(request)
    if not form.is_bound:
        return parse_month(newest_month())
    if not form.is_valid():
        raise Http404
    return parse_month(form.cleaned_data["month"])


def plan_title(request: HttpRequest) -> str:
    """Which month would be billed."""
    return f"Plan of billing {planned_month(request):%B %Y}"


def start_links(request: HttpRequest) -> list[Link]:
    """Where a run is started, for who may."""
    if not request.user.has_perm("billing.add_billingrun"):
        return []
    month = planned_month(request)
    address = reverse("admin:billing_billingrun_add")
    text = f"Start billing {month:%B %Y}…"
    return [Link(text, f"{address}?month={month:%Y-%m}", button=True)]


PLAN = StaffPanels(
    name="billing_run_plan",
    path="billing-runs/plan/",
    title=plan_title,
    permission="billing.view_billingrun",
    menu=("Billing runs", "Plan"),
    intro="What a run would bill now, computed as a run does, from the facts of this"
    " moment, without tax. Nothing is written. The schedule bills each month by itself"
    " once it is over in every time zone.",
    filters=month_form,
    links=start_links,
)


class Comparison(NamedTuple):
    """A payer, what is planned, and what was billed before, without tax."""

    payer: Agency
    planned: PlannedBill
    billed: Decimal
    last_month: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more the month comes to than the one before it."""
        return self.billed + self.planned.total - self.last_month


class Plan(NamedTuple):
    """What a run of a month would do; `rows` may be of the largest payers only."""

    month: date
    payers: int
    rows: list[Comparison]


def read_plan(request: HttpRequest) -> Plan:
    """The plan of the month, computed once for a request.

    Of many payers the page computes those with the largest bills of the month before;
    the file computes all.
    """
    plan: Plan | None = request.__dict__.get("billing_plan")
    if plan is None:
        month = planned_month(request)
        ids = payers_to_bill(month)
        before = billed_totals(previous_month(month), ids)
        largest = sorted(ids, key=lambda pk: (-abs(before.get(pk, Decimal(0))), pk))
        shown = ids if "csv" in request.GET else largest[:MOST_PAYERS]
        plan = Plan(month, len(ids), _compare(shown, month, before))
        request.__dict__["billing_plan"] = plan
    return plan


def _compare(
    payer_ids: Sequence[int], month: date, before: dict[int, Decimal]
) -> list[Comparison]:
    payers = Agency.objects.in_bulk(payer_ids)
    billed = billed_totals(month, payer_ids)
    nothing = Decimal(0)
    rows = [
        Comparison(
            payers[bill.payer_id],
            bill,
            billed.get(bill.payer_id, nothing),
            before.get(bill.payer_id, nothing),
        )
        for bill in planned_bills(payers=payers.values(), month=month)
    ]
    return sorted(rows, key=lambda row: (-abs(row.difference), row.payer.code))


@PLAN.panel("totals", order=10)
def totals_panel(request: HttpRequest) -> Panel:
    """Sums by currency against last month, and whether the month may be billed."""
    plan = read_plan(request)
    before = previous_month(plan.month)
    currencies = sorted({row.payer.currency for row in plan.rows})
    rows: list[list[Cell]] = []
    for currency in currencies:
        own = [row for row in plan.rows if row.payer.currency == currency]
        sums = [
            sum((row.last_month for row in own), Decimal(0)),
            sum((row.billed for row in own), Decimal(0)),
            sum((row.planned.total for row in own), Decimal(0)),
            sum((row.difference for row in own), Decimal(0)),
        ]
        rows.append([currency, len(own), *(Money(total, currency) for total in sums)])
    return Panel(
        key="totals",
        title="Totals against the month before",
        figure=f"{plan.payers:,} payers",
        sentences=[*_readiness(plan), *_sampling(plan)],
        table=Table(
            [
                "Currency", "Payers", f"{before:%B %Y}", "Billed already",
                "Billed by this run", "More than before",
            ],
            rows,
            empty=f"Nothing is left to bill for {plan.month:%B %Y}.",
        ),
        is_wide=True,
    )  # fmt: skip


def _readiness(plan: Plan) -> list[str]:
    now = timezone.now()
    ready_at = billable_from(
        plan.month, set(Agency.objects.values_list("pk", flat=True))
    )
    if now < ready_at:
        return [
            (
                f"It can be billed from {ready_at:%Y-%m-%d %H:%M} UTC on: until then the"
                " month is not over everywhere."
            )
        ]
    running = BillingRun.objects.filter(month=plan.month, payer=None, finished_at=None)
    run = running.first()
    return [f"A run of it goes on since {run.started_at:%H:%M} UTC."] if run else []


def _sampling(plan: Plan) -> list[str]:
    left = plan.payers - len(plan.rows)
    if not left:
        return []
    return [
        (
            f"Computed for the {len(plan.rows)} payers with the largest bills of the month"
            f" before; {left:,} smaller ones are not in these sums. The file of payers"
            " has all, and takes longer."
        )
    ]


@PLAN.panel("payers", order=20)
def payers_panel(request: HttpRequest) -> Panel:
    """Each payer, the largest differences first."""
    plan = read_plan(request)
    before = previous_month(plan.month)
    return Panel(
        key="payers",
        title="Payers, the largest differences first",
        table=Table(
            [
                "Payer", f"{before:%B %Y}", "Billed already", "Billed by this run",
                "More than before", "Documents", "Note",
            ],
            [_payer_row(row) for row in plan.rows],
            empty="No payer is left to bill.",
        ),
        is_wide=True,
    )  # fmt: skip


def _payer_row(row: Comparison) -> list[Cell]:
    currency = row.payer.currency
    amounts = (row.last_month, row.billed, row.planned.total, row.difference)
    return [
        Link(str(row.payer), page_of_agency(row.payer.code)),
        *(Money(amount, currency) for amount in amounts),
        row.planned.documents,
        f"Is parked: {row.planned.refusal}" if row.planned.refusal else "",
    ]


def shown_run(request: HttpRequest, pk: int) -> BillingRun:
    """The run that the page is about, read once. Raises Http404."""
    run: BillingRun | None = request.__dict__.get("shown_run")
    if run is None:
        run = BillingRun.objects.select_related("payer").filter(pk=pk).first()
        if run is None:
            raise Http404
        request.__dict__["shown_run"] = run
    return run


def run_title(request: HttpRequest, pk: int) -> str:
    """Which month the run bills, and of whom."""
    run = shown_run(request, pk)
    who = run.payer.code if run.payer else "all payers"
    return f"Billing run {run.pk}: {run.month:%B %Y} of {who}"


def run_refresh(request: HttpRequest, pk: int) -> int | None:
    """The page loads itself again until the run is finished."""
    return None if shown_run(request, pk).finished_at else REFRESH_SECONDS


RUN = StaffPanels(
    name="billing_run",
    path="billing-runs/<int:pk>/",
    title=run_title,
    permission="billing.view_billingrun",
    refresh=run_refresh,
)


@RUN.panel("progress", order=10)
def progress_panel(request: HttpRequest, pk: int) -> Panel:
    """How many payers are done, waiting and parked, and how long the rest takes."""
    run = shown_run(request, pk)
    states = RunItem.objects.filter(run=run).order_by().values_list("state")
    counts: dict[str, int] = dict(states.annotate(Count("pk")))
    total = sum(counts.values())
    open_states = (RunItem.State.PENDING, RunItem.State.WORKING)
    settled = total - sum(counts.get(state, 0) for state in open_states)
    rows: list[list[Cell]] = [
        [label, counts[state]]
        for state, label in RunItem.State.choices
        if state in counts
    ]
    return Panel(
        key="progress",
        title="Payers",
        figure=f"{settled:,} of {total:,}" if run.planned_at else "Not planned yet",
        sentences=_stages(run, settled, total),
        table=Table(["State", "Payers"], rows, empty="No payer has anything to bill."),
        links=[
            Link(
                "All payers of the run",
                f"{reverse('admin:billing_runitem_changelist')}?run__id__exact={run.pk}",
            )
        ],
    )


def _stages(run: BillingRun, settled: int, total: int) -> list[str]:
    stages = [f"Started by {run.actor} at {run.started_at:%Y-%m-%d %H:%M:%S} UTC."]
    if run.finished_at:
        stages.append(f"Finished at {run.finished_at:%Y-%m-%d %H:%M:%S} UTC.")
    elif run.planned_at is None:
        stages.append("The schedule cuts and plans it within a minute.")
    elif settled < total:
        stages.append(_time_left(run, settled, total))
    else:
        stages.append("Every payer is looked at; what waits for review keeps it open.")
    if not run.finished_at:
        stages.append(f"This page is renewed every {REFRESH_SECONDS} seconds.")
    return stages


def _time_left(run: BillingRun, settled: int, total: int) -> str:
    if not settled or run.planned_at is None:
        return "Its first payers are being billed."
    elapsed = (timezone.now() - run.planned_at).total_seconds()
    seconds = int(elapsed * (total - settled) / settled)
    return f"About {seconds // 60} min {seconds % 60} s are left at this pace."


@RUN.panel("documents", order=20, permission="billing.view_document")
def documents_panel(request: HttpRequest, pk: int) -> Panel:
    """What the documents of the run come to, by state and currency."""
    run = shown_run(request, pk)
    sums = (
        Document.objects.filter(run=run)
        .order_by("currency", "kind", "state")
        .values_list("currency", "kind", "state")
        .annotate(Count("pk"), Sum("total"))
    )
    kinds = dict(Document.Kind.choices)
    rows: list[list[Cell]] = [
        [f"{kinds[kind]}, {state}", count, Money(total, currency)]
        for currency, kind, state, count, total in sums
    ]
    return Panel(
        key="documents",
        title="Documents",
        table=Table(
            ["Documents", "How many", "Total"], rows, empty="It made no document yet."
        ),
    )


@RUN.panel("parked", order=30, permission="billing.view_runitem")
def parked_panel(request: HttpRequest, pk: int) -> Panel | None:
    """The first parked payers with their reasons, if there are any."""
    run = shown_run(request, pk)
    parked = RunItem.objects.filter(run=run, state=RunItem.State.PARKED)
    items = list(parked.select_related("payer").order_by("payer__code")[:MOST_PAYERS])
    if not items:
        return None
    address = reverse("admin:billing_runitem_changelist")
    return Panel(
        key="parked",
        title="Parked payers",
        table=Table(
            ["Payer", "Reason"],
            [
                [Link(str(i.payer), page_of_agency(i.payer.code)), i.last_error]
                for i in items
            ],
        ),
        links=[
            Link(
                "Bill them again…",
                f"{address}?run__id__exact={run.pk}&state__exact=parked",
                button=True,
            )
        ],
        is_wide=True,
    )
