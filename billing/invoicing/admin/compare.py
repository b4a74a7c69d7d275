"""Two documents of a payer beside each other, and what made the difference."""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django import forms
from django.http import HttpRequest

from billing.accounts.admin.payers import PayerForm, payer_in
from billing.invoicing.admin.invoice import documents_in, invoice_link
from billing.invoicing.admin.words import change_text, count_text
from billing.invoicing.domain.comparison import (
    Cause,
    ComparedLine,
    Part,
    compare_lines,
)
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.comparison import compared_lines
from billing.pricing.domain.rating import PriceListTerms
from billing.pricing.models import Meter
from core.admin.pages import AgencyPanels, once_per_request
from core.admin.panels import Money, Panel, Table
from core.money import money_label
from seats.access.domain import Action
from seats.models import Agency

Compared = tuple[dict[int, list[ComparedLine]], dict[int, PriceListTerms]]
MOST_OFFERED = 60  # documents to choose from, the newest first
CAUSES = {
    Cause.SEATS: ("Seats", "seats"),
    Cause.DAYS: ("Seats that were there for a part of the month", "seat days"),
    Cause.SEAT_PRICE: ("Price of a seat", ""),
    Cause.SHARE: ("The part of the charges that you pay", ""),
    Cause.LATE: ("Late lines for earlier months", ""),
    Cause.TAX: ("Tax", ""),
}


class CompareForm(PayerForm):
    """Two documents of the payer."""

    before = forms.TypedChoiceField(coerce=int, required=False, empty_value=None)
    after = forms.TypedChoiceField(coerce=int, required=False, empty_value=None)

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        rows = documents_in(request).filter(payer=self.payer)
        rows = rows.exclude(state=Document.State.VOID).order_by("-number")
        self.documents: dict[int, Any] = {row.pk: row for row in rows[:MOST_OFFERED]}
        choices = [
            (pk, f"{row}, {row.month:%B %Y}: {money_label(row.total, row.currency)}")
            for pk, row in self.documents.items()
        ]
        for name, pk in zip(("before", "after"), self._defaults(), strict=True):
            self.fields[name].choices = choices  # type: ignore[attr-defined]
            if pk and not request.GET.get(name):
                self.data[name] = str(pk)  # type: ignore[index]

    def _defaults(self) -> tuple[int | None, int | None]:
        """The newest document, and the newest of an earlier month."""
        rows = list(self.documents.values())
        if not rows:
            return None, None
        earlier = [row.pk for row in rows if row.month < rows[0].month]
        return next(iter(earlier), None), rows[0].pk

    def pair(self) -> tuple[Any, Any] | None:
        """The documents before and after; None where there are no two to compare."""
        if not self.is_valid():
            return None
        pair = [
            self.documents.get(self.cleaned_data[name]) for name in ("before", "after")
        ]
        return (pair[0], pair[1]) if all(pair) else None


def compare_form(request: HttpRequest) -> CompareForm:
    """The form; made once per request."""
    return once_per_request(request, "compare", lambda: CompareForm(request))


def lines_in(request: HttpRequest) -> Compared:
    """The lines of both documents, and their price lists; read once per request."""
    pair = compare_form(request).pair() or ()
    return once_per_request(request, "compared", lambda: compared_lines(pair))


def compare_title(request: HttpRequest) -> str:
    """Compare months, and of whom."""
    return f"Compare months of {payer_in(request).name}"


COMPARE = AgencyPanels(
    name="compare",
    path="compare/",
    title=compare_title,
    permission=Action.VIEW_MONEY,
    menu=("Money", "Compare months"),
    filters=compare_form,
)


@COMPARE.panel("difference", order=10)
def difference(request: HttpRequest) -> Panel:
    """What made the difference; the parts sum to it."""
    pair = compare_form(request).pair()
    if pair is None:
        return Panel(
            key="difference",
            title="Nothing to compare yet",
            sentences=["There are two months to compare once two were billed."],
        )
    before, after = pair
    currency = after.currency
    lines, prices = lines_in(request)
    parts = compare_lines(
        lines[before.pk], lines[after.pk], prices=prices, currency=currency
    )
    meters = {meter.code: meter for meter in Meter.objects.all()}
    total = after.total - before.total
    return Panel(
        key="difference",
        title=f"{after.month:%B %Y} beside {before.month:%B %Y}",
        figure=change_text(total, currency),
        facts=[
            (f"{before.month:%B %Y}", Money(before.total, currency)),
            (f"{after.month:%B %Y}", Money(after.total, currency)),
        ],
        table=Table(
            columns=["What changed", "Before", "After", "Difference"],
            rows=[_row(part, meters, currency) for part in parts],
            total=("In all", "", "", Money(total, currency)),
            empty="Nothing: both come to the same, for the same seats and usage.",
        ),
        links=[invoice_link(before), invoice_link(after)],
        is_wide=True,
    )


def _row(part: Part, meters: dict[str, Meter], currency: str) -> tuple[Any, ...]:
    if part.meter is None:
        label, unit = CAUSES[part.cause]
    else:
        meter = meters[part.meter]
        label, unit = meter.name, f"{meter.billed_unit}s"
    if part.cause is Cause.USAGE_PRICE:
        label = f"Price of {label}"
    counts = [
        "" if count is None else f"{count_text(count)} {unit}".strip()
        for count in (part.before, part.after)
    ]
    return (label, *counts, Money(part.amount, currency))


@COMPARE.panel("agencies", order=20)
def by_agency(request: HttpRequest) -> Panel | None:
    """What each agency comes to on both; the differences sum to the whole."""
    pair = compare_form(request).pair()
    if pair is None:
        return None
    lines, _ = lines_in(request)
    sums = [_sums(lines[document.pk]) for document in pair]
    ids = sums[0].keys() | sums[1].keys()
    if len(ids) < 2:  # the panel above says the same
        return None
    currency = pair[1].currency
    nothing = Decimal(0)
    agencies = Agency.objects.filter(pk__in=ids).order_by("code")
    return Panel(
        key="agencies",
        title="By agency",
        table=Table(
            columns=["Agency", "Before", "After", "Difference"],
            rows=[
                (
                    agency.code,
                    Money(old := sums[0].get(agency.pk, nothing), currency),
                    Money(new := sums[1].get(agency.pk, nothing), currency),
                    Money(new - old, currency),
                )
                for agency in agencies
            ],
            total=(
                "In all", *(Money(document.total, currency) for document in pair),
                Money(pair[1].total - pair[0].total, currency),
            ),
        ),
        is_wide=True,
    )  # fmt: skip


def _sums(lines: list[ComparedLine]) -> dict[int, Decimal]:
    sums: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[line.agency_id] += line.amount + line.tax
    return sums
