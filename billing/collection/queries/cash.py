"""Money recorded at a processor: by payment, refund and dispute, and by the ledger."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Q

from billing.collection.models.disputes import Dispute
from billing.ledger.models import LedgerEntry
from billing.receivables.models import Payment, Refund

LedgerFact = tuple[str, int]  # kind and id, as in LedgerTransaction


class MovementKey(NamedTuple):
    """Money that came in or went out under one reference of the processor."""

    kind: str
    reference: str
    incoming: bool


@dataclass(frozen=True, slots=True)
class BookedAmount:
    """A recorded amount: incoming is positive, outgoing negative.

    `at` is when it was recorded, if money moved. `facts` are the ledger's parts of it.
    """

    amount: Decimal
    currency: str
    at: datetime | None
    facts: dict[LedgerFact, Decimal] = field(default_factory=dict)


def booked_amounts(
    code: str, references: Collection[str], starts_at: datetime, ends_at: datetime
) -> dict[MovementKey, BookedAmount]:
    """Amounts with one of these references, or recorded in [starts_at, ends_at).

    Three queries.
    """
    amounts: dict[MovementKey, BookedAmount] = {}
    for rows in (_payments, _refunds, _disputes):
        for key, booked in rows(code, references, (starts_at, ends_at)):
            earlier = amounts.get(key)
            if earlier:
                booked = BookedAmount(
                    earlier.amount + booked.amount,
                    booked.currency,
                    booked.at,
                    {**earlier.facts, **booked.facts},
                )
            amounts[key] = booked
    return amounts


def cash_entries(
    code: str, facts: Collection[LedgerFact], starts_at: datetime, ends_at: datetime
) -> dict[LedgerFact, Decimal]:
    """Ledger cash at a processor: of these facts, and recorded in [starts_at, ends_at).

    Debits are positive.
    """
    ids: dict[str, list[int]] = {}
    for kind, pk in facts:
        ids.setdefault(kind, []).append(pk)
    condition = _within("transaction__recorded_at", (starts_at, ends_at))
    for kind, pks in ids.items():
        condition |= Q(transaction__kind=kind, transaction__fact_id__in=pks)
    rows = LedgerEntry.objects.filter(condition, account="cash", processor=code)
    entries = rows.values_list("transaction__kind", "transaction__fact_id", "amount")
    return {(kind, pk): amount for kind, pk, amount in entries.order_by("pk")}


Period = tuple[datetime, datetime]
Rows = Iterator[tuple[MovementKey, BookedAmount]]


def _payments(code: str, references: Collection[str], period: Period) -> Rows:
    condition = Q(reference__in=references) | _within("received_at", period)
    for row in Payment.objects.filter(condition, processor=code):
        facts = {("payment", row.pk): row.amount}
        key = MovementKey("payment", row.reference, incoming=True)
        yield key, BookedAmount(row.amount, row.currency, row.received_at, facts)


def _refunds(code: str, references: Collection[str], period: Period) -> Rows:
    condition = Q(reference__in=references) | _within("refunded_at", period)
    rows = Refund.objects.filter(condition, payment__processor=code)
    for row in rows.select_related("payment"):
        facts = {("refund", row.pk): -row.amount}
        key = MovementKey("refund", row.reference, incoming=False)
        currency = row.payment.currency
        yield key, BookedAmount(-row.amount, currency, row.refunded_at, facts)


def _disputes(code: str, references: Collection[str], period: Period) -> Rows:
    """Dispute movements. One won without a known opening may have moved money or not."""
    condition = Q(reference__in=references)
    condition |= _within("opened_at", period) | _within("closed_at", period)
    for row in Dispute.objects.filter(condition, processor__code=code):
        opened, won = row.opened_at, row.state == Dispute.State.WON
        if opened or won:
            facts = {("dispute_opened", row.pk): -row.amount} if opened else {}
            key = MovementKey("dispute", row.reference, incoming=False)
            yield key, BookedAmount(-row.amount, row.currency, opened, facts)
        if won:
            facts = {("dispute_won", row.pk): row.amount} if opened else {}
            key = MovementKey("dispute", row.reference, incoming=True)
            at = row.closed_at if opened else None
            yield key, BookedAmount(row.amount, row.currency, at, facts)


def _within(name: str, period: Period) -> Q:
    starts_at, ends_at = period
    return Q(**{f"{name}__gte": starts_at, f"{name}__lt": ends_at})
