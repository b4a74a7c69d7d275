"""The next invoices as of now, and what they would be with more or fewer seats."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from billing.accounts.admin.payers import PayerForm, payer_in
from billing.invoicing.admin.words import count_text
from billing.invoicing.domain.content import Line
from billing.invoicing.services.drafting import NewDocument
from billing.invoicing.services.previews import (
    PlannedRemoval,
    PlannedSeats,
    preview_documents,
)
from billing.pricing.admin.agency import unit_price
from billing.pricing.domain.rating import MeterNotPriced
from billing.pricing.models import Meter
from billing.pricing.queries import PriceMissing
from core.admin.dates import DateField
from core.admin.pages import AgencyPanels, once_per_request
from core.admin.panels import Money, Panel, Table
from core.errors import Refusal
from core.periods import DAY, month_of, next_month
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates
from seats.models import Agency, Seat

MOST_SEATS = 500  # in a question
MOST_DAYS = 400  # from today on
NOTHING = Decimal(0)
Plan = list[PlannedSeats | PlannedRemoval]


class PlanForm(PayerForm):
    """More or fewer seats of the payer's own from a date on."""

    add = forms.IntegerField(
        required=False, min_value=0, max_value=MOST_SEATS, label="Seats to add"
    )
    remove = forms.IntegerField(
        required=False, min_value=0, max_value=MOST_SEATS, label="Seats to remove"
    )
    on = DateField(required=False, label="From")

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.now = timezone.now()
        self.today = local_dates([self.payer.pk], now=self.now)[self.payer.pk]
        if not request.GET.get("on"):
            self.data["on"] = f"{self.today:%Y-%m-%d}"  # type: ignore[index]

    def clean_on(self) -> date:
        """A date from today to a bit more than a year ahead."""
        on: date | None = self.cleaned_data["on"]
        if on is None:
            return self.today
        if not self.today <= on <= self.today + MOST_DAYS * DAY:
            raise forms.ValidationError(
                f"Enter a date from {self.today} to {self.today + MOST_DAYS * DAY}."
            )
        return on

    def plan(self) -> Plan:
        """The changes that were asked about; none if the form is not valid."""
        if not self.is_valid():
            return []
        on, plan = self.cleaned_data["on"], Plan()
        if count := self.cleaned_data["add"]:
            plan.append(PlannedSeats(self.payer, count, on))
        if seats := self._newest(self.cleaned_data["remove"] or 0, on):
            plan.append(PlannedRemoval(seats, on))
        return plan

    def _newest(self, count: int, on: date) -> tuple[Seat, ...]:
        """The seats that were added last, of those that are there on the date."""
        seats = Seat.objects.filter(agency=self.payer, cancelled=False)
        seats = seats.filter(added_on__lte=on, removed_on=None)
        return tuple(seats.order_by("-added_on", "-pk")[:count])

    def through(self) -> date:
        """The last month to show: the next one, or that of a later date."""
        on = self.cleaned_data.get("on") or self.today
        return max(next_month(month_of(self.today)), month_of(on))


class Answer:
    """The next documents as of now and with the plan, computed once per request."""

    def __init__(self, request: HttpRequest) -> None:
        self.form = plan_form(request)
        self.plan = self.form.plan()
        self.through = self.form.through()
        self.refusal: Refusal | None = None
        self.now: list[NewDocument] = []
        self.planned: list[NewDocument] = []
        try:
            self.planned = self.now = self._compute([])
            if self.plan:
                self.planned = self._compute(self.plan)
        except Refusal as refusal:
            self.refusal = refusal

    def _compute(self, plan: Plan) -> list[NewDocument]:
        return preview_documents(
            payer=self.form.payer, month=self.through, now=self.form.now, planned=plan
        )


def plan_form(request: HttpRequest) -> PlanForm:
    """The form; made once per request."""
    return once_per_request(request, "plan", lambda: PlanForm(request))


def answer_in(request: HttpRequest) -> Answer:
    """The answer to what the address asks; computed once per request."""
    return once_per_request(request, "answer", lambda: Answer(request))


def next_title(request: HttpRequest) -> str:
    """Next invoice, and of whom."""
    return f"Next invoice of {payer_in(request).name}"


NEXT = AgencyPanels(
    name="next_invoice",
    path="next-invoice/",
    title=next_title,
    permission=Action.VIEW_MONEY,
    menu=("Money", "Next invoice"),
    intro="As of now: seats as they are recorded, to the end of the month, and usage so"
    " far. Ask what it would be with more or fewer seats; nothing is changed.",
    filters=plan_form,
)


@NEXT.panel("plan", order=10)
def effect(request: HttpRequest) -> Panel | None:
    """What the change that was asked about adds to each month."""
    answer = answer_in(request)
    if answer.refusal:
        return Panel(
            key="plan",
            title="Cannot be calculated now",
            sentences=[_in_words(answer.refusal)],
        )
    if not answer.plan:
        return None
    currency = answer.form.payer.currency
    before, after = _totals(answer.now), _totals(answer.planned)
    months = sorted(before.keys() | after.keys())
    return Panel(
        key="plan",
        title=" and ".join(map(_described, answer.plan)),
        table=Table(
            columns=["Invoice for", "As of now", "With the change", "Difference"],
            rows=[
                (
                    f"{month:%B %Y}",
                    Money(old := before.get(month, NOTHING), currency),
                    Money(new := after.get(month, NOTHING), currency),
                    Money(new - old, currency),
                )
                for month in months
            ],
        ),
        is_wide=True,
    )


def _in_words(refusal: Refusal) -> str:
    """Why there is no answer; prices are published by staff."""
    if isinstance(refusal, PriceMissing | MeterNotPriced):
        return "Prices of a month are missing. It is billed once they are published."
    return refusal.message


def _described(plan: PlannedSeats | PlannedRemoval) -> str:
    count = plan.count if isinstance(plan, PlannedSeats) else len(plan.seats)
    verb = "more" if isinstance(plan, PlannedSeats) else "fewer"
    return f"{count} {verb} seat{'' if count == 1 else 's'} from {plan.on:%B} {plan.on.day}"


def _totals(documents: Sequence[NewDocument]) -> dict[date, Decimal]:
    return {
        document.month: sum((line.amount for line in document.lines), NOTHING)
        for document in documents
    }


@NEXT.panel("documents", order=20)
def next_documents_of_payer(request: HttpRequest) -> list[Panel] | Panel | None:
    """A panel for each of the next documents, with its lines."""
    answer = answer_in(request)
    if answer.refusal and not answer.now:
        return None
    if not answer.planned:
        return Panel(
            key="nothing",
            title="Nothing to bill",
            sentences=["There are no seats and no usage to be billed so far."],
        )
    meters = {meter.code: meter for meter in Meter.objects.all()}
    return [
        _document_panel(
            document,
            meters,
            answer.form.payer,
            is_planned=bool(answer.plan) and not answer.refusal,
        )
        for document in answer.planned
    ]


def _document_panel(
    document: NewDocument, meters: dict[str, Meter], payer: Agency, *, is_planned: bool
) -> Panel:
    names = document.parties["agencies"]
    currency = document.currency
    total = sum((line.amount for line in document.lines), NOTHING)
    title = f"{document.month:%B %Y}{' with the change' if is_planned else ''}"
    return Panel(
        key=f"month-{document.month:%Y-%m}",
        title=title,
        figure=Money(total, currency),
        table=Table(
            columns=["Agency", "Item", "Quantity", "Unit price", "Amount"],
            rows=[
                (
                    names[str(line.agency_id)]["code"],
                    *_line_cells(line, meters, currency),
                )
                for line in document.lines
            ],
            total=("Total", "", "", "", Money(total, currency)),
        ),
        is_wide=True,
        has_file=False,
    )


def _line_cells(line: Line, meters: dict[str, Meter], currency: str) -> tuple[Any, ...]:
    meter = meters.get(line.meter) if line.meter else None
    name = meter.name if meter else "Seats"
    unit = meter.billed_unit if meter else "seat day"
    late = f", late for {line.month:%B %Y}" if line.late else ""
    per = meter.billed_unit if meter else "seat and month"
    price = (
        "by tier"
        if line.unit_price is None
        else (f"{unit_price(line.unit_price, currency)} per {per}")
    )
    quantity = f"{count_text(line.quantity)} {unit}{'' if line.quantity == 1 else 's'}"
    return name + late, quantity, price, Money(line.amount, currency)
