"""The page that shows what a price list would have made of last month's usage."""

from decimal import Decimal
from typing import NamedTuple

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.invoicing.queries.plans import billed_totals
from billing.invoicing.queries.price_previews import (
    SEATS,
    PayerPreview,
    preview_prices,
)
from billing.pricing.models import PriceList
from billing.pricing.queries import (
    WITH_RATES,
    preceding_list,
    price_lists_for,
    terms_of,
)
from core.admin.pages import StaffPanels
from core.admin.panels import Cell, Link, Money, Panel, Table
from core.periods import month_of, previous_month
from seats.agencies.admin.support import page_of_agency
from seats.models import Agency

MOST_PAYERS = 1000  # that the page computes; the file has all
ROWS = 100  # of them that it shows
NOTHING = Decimal(0)


def shown_list(request: HttpRequest, pk: int) -> PriceList:
    """The list that the page is about, with its rates, read once. Raises Http404."""
    shown: PriceList | None = request.__dict__.get("shown_list")
    if shown is None:
        shown = PriceList.objects.prefetch_related(*WITH_RATES).filter(pk=pk).first()
        if shown is None:
            raise Http404
        request.__dict__["shown_list"] = shown
    return shown


def preview_title(request: HttpRequest, pk: int) -> str:
    """Which list is looked at, and by which month."""
    month = previous_month(month_of(timezone.now().date()))
    return f"Price list {shown_list(request, pk).code}: what {month:%B %Y} would cost"


def preview_links(request: HttpRequest, pk: int) -> list[Link]:
    """Back to the list, where it is published."""
    address = reverse("admin:billing_pricelist_change", args=[pk])
    return [Link("The price list", address)]


PREVIEW = StaffPanels(
    name="price_list_preview",
    path="price-lists/<int:pk>/preview/",
    title=preview_title,
    permission="billing.view_pricelist",
    intro="Last month's seats and usage of every payer, priced by the list before it and"
    " by this one, as bills would be, without tax. Usage that this list rounds otherwise"
    " is summed anew, call by call. Nothing is written.",
    links=preview_links,
)


class Preview(NamedTuple):
    """The rows of the page, the largest differences first; `payers` counts all."""

    price_list: PriceList
    before: PriceList | None
    payers: int
    rows: list[PayerPreview]


def read_preview(request: HttpRequest, pk: int) -> Preview:
    """The preview of the list, computed once for a request.

    Of more than MOST_PAYERS the page computes those with the largest bills of the month;
    the file computes all.
    """
    shown: Preview | None = request.__dict__.get("price_preview")
    if shown is None:
        shown = _compute(shown_list(request, pk), is_file="csv" in request.GET)
        request.__dict__["price_preview"] = shown
    return shown


def _compute(price_list: PriceList, *, is_file: bool) -> Preview:
    month = previous_month(month_of(timezone.now().date()))
    currency = price_list.currency
    ids = list(Agency.objects.filter(currency=currency).values_list("pk", flat=True))
    own = ids
    if len(ids) > MOST_PAYERS and not is_file:
        billed = billed_totals(month, ids)
        ids.sort(key=lambda pk: (-billed.get(pk, NOTHING), pk))
        own = ids[:MOST_PAYERS]
    before = preceding_list(price_list)
    lists = price_lists_for(currencies=[currency], months=[month])
    rows = preview_prices(
        payer_ids=own,
        month=month,
        before=terms_of(before) if before else None,
        after=terms_of(price_list),
        recorded=lists.get((currency, month)),
    )
    kept = [row for row in rows if row.before or row.after or row.refusal]
    kept.sort(key=lambda row: (-abs(row.difference), row.payer_id))
    return Preview(price_list, before, len(ids), kept)


@PREVIEW.panel("totals", order=10)
def totals_panel(request: HttpRequest, pk: int) -> Panel:
    """The sums of all payers by thing, and in total."""
    preview = read_preview(request, pk)
    currency = preview.price_list.currency
    things = {thing for row in preview.rows for thing in (*row.before, *row.after)}
    ordered = sorted(things, key=lambda thing: (thing != SEATS, thing))
    rows = [_sums_row(thing, preview, thing) for thing in ordered]
    total = _sums_row("Total", preview, None)
    difference = sum((row.difference for row in preview.rows), NOTHING)
    return Panel(
        key="totals",
        title="More than by the list before",
        figure=Money(difference, currency),
        sentences=_notes(preview),
        table=Table(
            ["What", _old(preview), "By this list", "Difference"],
            rows,
            total=total if rows else None,
            empty="Nobody had seats or usage in that month.",
        ),
        is_wide=True,
    )


def _old(preview: Preview) -> str:
    return f"By {preview.before.code}" if preview.before else "Before"


def _sums_row(title: str, preview: Preview, thing: str | None) -> list[Cell]:
    currency = preview.price_list.currency
    sums = [NOTHING, NOTHING]
    for row in preview.rows:
        for side, amounts in enumerate((row.before, row.after)):
            sums[side] += (
                sum(amounts.values(), NOTHING)
                if thing is None
                else amounts.get(thing, NOTHING)
            )
    before, after = sums
    amounts_shown = (before, after, after - before)
    return [title, *(Money(amount, currency) for amount in amounts_shown)]


def _notes(preview: Preview) -> list[str]:
    notes = []
    if preview.before is None:
        notes.append("There is no earlier list of the currency, so nothing is before.")
    if preview.price_list.state == PriceList.State.PUBLISHED:
        notes.append("The list is published and does not change any more.")
    refused = [row for row in preview.rows if row.refusal]
    if refused:
        notes.append(
            f"{len(refused)} payers cannot be priced and are not in these sums, such as:"
            f" {refused[0].refusal}"
        )
    if preview.payers > MOST_PAYERS and len(preview.rows) <= MOST_PAYERS:
        notes.append(
            f"Computed for the {MOST_PAYERS:,} of {preview.payers:,} payers with the"
            " largest bills of that month. The file of payers has all, and takes longer."
        )
    return notes


@PREVIEW.panel("payers", order=20)
def payers_panel(request: HttpRequest, pk: int) -> Panel:
    """Each payer by both lists, the largest differences first."""
    preview = read_preview(request, pk)
    rows = preview.rows if "csv" in request.GET else preview.rows[:ROWS]
    payers = Agency.objects.in_bulk([row.payer_id for row in rows])
    hidden = len(preview.rows) - len(rows)
    return Panel(
        key="payers",
        title="Payers, the largest differences first",
        sentences=[f"The file has {hidden:,} more."] if hidden else [],
        table=Table(
            ["Payer", _old(preview), "By this list", "Difference", "Note"],
            [_payer_row(row, payers[row.payer_id]) for row in rows],
            empty="Nobody had seats or usage in that month.",
        ),
        is_wide=True,
    )


def _payer_row(row: PayerPreview, payer: Agency) -> list[Cell]:
    amounts = (row.total_before, row.total_after, row.difference)
    return [
        Link(str(payer), page_of_agency(payer.code)),
        *(Money(amount, payer.currency) for amount in amounts),
        row.refusal,
    ]
