"""Panels of the overview about the bill: so far, at the end of the month, and why."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from django.http import HttpRequest
from django.urls import reverse

from billing.invoicing.admin.bills import (
    bills_of,
    by_currency,
    change_text,
    items_of,
    priced_bills,
    things,
)
from billing.invoicing.domain.bill_changes import Change, changes_between, total_of
from billing.invoicing.services.running_bills import RunningBill
from core.admin.panels import Cell, Link, Money, Panel, Table, money_sum
from core.money import money_label
from core.periods import previous_month
from seats.access.admin.overview import OVERVIEW
from seats.access.domain import Action

ZERO = Decimal(0)
MOST_REASONS = 3
INVOICES = "admin:billing_document_changelist"
Side = Literal["so_far", "expected"]


@OVERVIEW.panel("bill", order=10, permission=Action.VIEW_MONEY)
def bill_so_far(request: HttpRequest) -> Panel | None:
    """What the month would be billed at if it ended now, and why it differs."""
    bills = bills_of(request)
    if not bills:
        return None
    return Panel(
        key="bill",
        title=f"Bill for {bills[0].month:%B} so far",
        figure=_figure(request, "so_far"),
        sentences=[
            *_unpriced(bills),
            *_why(request, "so_far"),
            "Seats count until the end of the month, usage until now.",
        ],
        table=_table(request, "so_far"),
        links=[Link("All invoices", reverse(INVOICES, current_app="agency"))],
    )


@OVERVIEW.panel("forecast", order=20, permission=Action.VIEW_MONEY)
def forecast(request: HttpRequest) -> Panel | None:
    """What the month is expected to be billed at, and why it differs."""
    bills = priced_bills(request)
    if not bills:
        return None
    return Panel(
        key="forecast",
        title=f"Expected for all of {bills[0].month:%B}",
        figure=_figure(request, "expected"),
        sentences=[
            *_why(request, "expected"),
            "Seats as they are now, usage by the average of the days that are over.",
        ],
        table=_table(request, "expected"),
    )


@OVERVIEW.panel("run-rate", order=45, permission=Action.VIEW_MONEY)
def run_rate(request: HttpRequest) -> Panel | None:
    """What the seats of today cost in a whole month."""
    bills = priced_bills(request)
    if not bills:
        return None
    return Panel(
        key="run-rate",
        title="Seats per month",
        figure=money_sum(Money(b.run_rate, b.payer.currency) for b in bills),
        sentences=[
            "Your part of what today's seats cost in a whole month, without usage."
        ],
    )


def _figure(request: HttpRequest, side: Side) -> Cell:
    bills = priced_bills(request)
    if not bills:
        return None
    return money_sum(
        Money(total_of(getattr(bill, side)), bill.payer.currency) for bill in bills
    )


def _unpriced(bills: Sequence[RunningBill]) -> list[str]:
    codes = [bill.payer.code for bill in bills if not bill.is_priced]
    if not codes:
        return []
    others = " and others" if len(codes) > 5 else ""
    return [f"Without {', '.join(codes[:5])}{others}: prices are missing."]


def _why(request: HttpRequest, side: Side) -> list[str]:
    """The difference from the month before, and what it is made of, the most first."""
    sentences = []
    names = things(request)
    for currency, bills in by_currency(priced_bills(request)).items():
        changes = _changes(bills, side)
        last = f"{previous_month(bills[0].month):%B}"
        difference = sum((change.amount for change in changes), ZERO)
        if not difference:
            sentences.append(f"The same amount as in {last}.")
            continue
        kind = "more" if difference > 0 else "less"
        label = money_label(abs(difference), currency)
        reasons = sorted(
            (change for change in changes if change.amount),
            key=lambda change: -abs(change.amount),
        )
        texts = [change_text(c, names, currency) for c in reasons[:MOST_REASONS]]
        sentences.append(f"{label} {kind} than all of {last}: {'; '.join(texts)}.")
        if any(bill.has_new_prices for bill in bills):
            sentences.append(
                f"Seats and usage are compared by the prices of {last}; what the new"
                " price list changes is a line of its own."
            )
    return sentences


def _changes(bills: Sequence[RunningBill], side: Side) -> list[Change]:
    return changes_between(items_of(bills, "before"), items_of(bills, side))


def _table(request: HttpRequest, side: Side) -> Table | None:
    """The month before, this month, and the difference, by thing."""
    groups = by_currency(priced_bills(request))
    if not groups:
        return None
    rows: list[list[Cell]] = []
    names = things(request)
    for currency, bills in groups.items():
        rows += [
            [names[change.thing][0], *_amounts(change, currency)]
            for change in _changes(bills, side)
            if change.before or change.now
        ]
    month = next(iter(groups.values()))[0].month
    total: list[Cell] | None = None
    if len(groups) == 1:
        ((currency, bills),) = groups.items()
        before = total_of(items_of(bills, "before"))
        now = total_of(items_of(bills, side))
        total = ["Total", *_amounts(Change("", before, now), currency)]
    this = "so far" if side == "so_far" else "expected"
    return Table(
        [
            "What",
            f"{previous_month(month):%B}",
            f"{month:%B} {this}",
            "Difference",
        ],
        rows,
        total if rows else None,
        empty="Nothing is used yet, and nobody holds a seat.",
    )


def _amounts(change: Change, currency: str) -> list[Cell]:
    amounts = (change.before, change.now, change.amount)
    return [Money(amount, currency) for amount in amounts]
