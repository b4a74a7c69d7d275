"""What a change of seats does to the next invoices, before a member confirms it."""

from collections.abc import Callable, Collection
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import Moving, Unchanged
from core.admin.scoped import reach_in
from core.errors import Refusal
from core.money import money_label
from core.periods import month_of, next_month
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import local_dates
from seats.roster.models import Seat
from seats.signals import next_invoices

Totals = dict[tuple[Agency, date], Decimal | None]


def with_invoices(
    request: HttpRequest,
    agency_ids: Collection[int],
    sentences: list[str],
    change: Callable[[], object],
    *,
    is_final: bool,
) -> list[str]:
    """The sentences, and what the change does to this month's and the next invoice.

    The change is made and rolled back. Until all is filled in, `is_final` is off: a
    refusal is a sentence then. Raises what the change raises.
    """
    try:
        return [*sentences, *_invoices(request, agency_ids, change)]
    except Refusal as refusal:
        if is_final:
            raise
        return [*sentences, Moving(f"Not with this date: {refusal.message}")]


def changed_or_blocked(
    request: HttpRequest,
    agency_ids: Collection[int],
    sentences: list[str],
    change: Callable[[], object],
) -> list[str]:
    """As `with_invoices`, of a change without a date: a refusal blocks it."""
    try:
        return [*sentences, *_invoices(request, agency_ids, change)]
    except Refusal as refusal:
        return [Unchanged(refusal.message)]


def _invoices(
    request: HttpRequest, agency_ids: Collection[int], change: Callable[[], object]
) -> list[str]:
    days = local_dates(agency_ids, now=timezone.now())
    scope = {
        "agencies": set(agency_ids),
        "payers": reach_in(request).agencies(Action.VIEW_MONEY),
        "through": next_month(month_of(min(days.values()))),
    }
    with transaction.atomic():
        before = _totals(scope)
        change()
        after = _totals(scope)
        transaction.set_rollback(True)
    if not scope["payers"]:
        return []
    lines = _differences(before, after)
    return lines or [Moving("Your invoices of this month and the next stay the same.")]


def _totals(scope: dict[str, Any]) -> Totals:
    totals: Totals = {}
    if scope["payers"]:
        responses: list[Any] = next_invoices.send(Seat, **scope)
        for _, response in responses:
            totals |= response
    return totals


def _differences(before: Totals, after: Totals) -> list[str]:
    keys = sorted(before.keys() | after.keys(), key=lambda key: (key[0].code, key[1]))
    lines = []
    for payer, month in keys:
        old = before.get((payer, month), Decimal(0))
        new = after.get((payer, month), Decimal(0))
        if old is None or new is None:
            lines.append(
                f"What it changes on the invoices of {payer.code} cannot be calculated"
                " now, because prices are missing. It is billed when they are there."
            )
        elif old != new:
            difference = money_label(abs(new - old), payer.currency)
            lines.append(
                f"Invoice of {payer.code} for {month:%B %Y}: {_sign(new - old)}"
                f"{difference}, from {money_label(old, payer.currency)} to"
                f" {money_label(new, payer.currency)} as of now."
            )
    return [Moving(line) for line in lines]


def _sign(amount: Decimal) -> str:
    return "+" if amount > 0 else "\N{MINUS SIGN}"
