"""What we say moved at a processor, by row and by the ledger."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Q

from billing.payments.ledger import LedgerEntry
from billing.payments.models import Payment, Refund
from billing.payments.returns import Dispute

Fact = tuple[str, int]  # as the ledger names it


class Key(NamedTuple):
    """Money that came in or went out under a reference of the processor."""

    kind: str
    reference: str
    came: bool


@dataclass(frozen=True, slots=True)
class Booked:
    """What came in is positive; `at` is when we learned of it, if money moved.

    `facts` are the parts that the ledger must have.
    """

    amount: Decimal
    currency: str
    at: datetime | None
    facts: dict[Fact, Decimal] = field(default_factory=dict)


def booked_of(
    code: str, references: Collection[str], starts_at: datetime, ends_at: datetime
) -> dict[Key, Booked]:
    """Our rows with one of these references, or learned in the time. Three queries."""
    found: dict[Key, Booked] = {}
    for rows in (_payments, _refunds, _disputes):
        for key, booked in rows(code, references, (starts_at, ends_at)):
            before = found.get(key)
            if before:
                booked = Booked(
                    before.amount + booked.amount,
                    booked.currency,
                    booked.at,
                    {**before.facts, **booked.facts},
                )
            found[key] = booked
    return found


def cash_of(
    code: str, facts: Collection[Fact], starts_at: datetime, ends_at: datetime
) -> dict[Fact, Decimal]:
    """Entries of cash at a processor: of these facts, and recorded in the time."""
    ids: dict[str, list[int]] = {}
    for kind, pk in facts:
        ids.setdefault(kind, []).append(pk)
    wanted = _within("transaction__recorded_at", (starts_at, ends_at))
    for kind, pks in ids.items():
        wanted |= Q(transaction__kind=kind, transaction__fact_id__in=pks)
    rows = LedgerEntry.objects.filter(wanted, account="cash", processor=code)
    entries = rows.values_list("transaction__kind", "transaction__fact_id", "amount")
    return {(kind, pk): amount for kind, pk, amount in entries.order_by("pk")}


Time = tuple[datetime, datetime]
Rows = Iterator[tuple[Key, Booked]]


def _payments(code: str, references: Collection[str], when: Time) -> Rows:
    wanted = Q(reference__in=references) | _within("received_at", when)
    for one in Payment.objects.filter(wanted, processor=code):
        facts = {("payment", one.pk): one.amount}
        key = Key("payment", one.reference, came=True)
        yield key, Booked(one.amount, one.currency, one.received_at, facts)


def _refunds(code: str, references: Collection[str], when: Time) -> Rows:
    wanted = Q(reference__in=references) | _within("refunded_at", when)
    rows = Refund.objects.filter(wanted, payment__processor=code)
    for one in rows.select_related("payment"):
        facts = {("refund", one.pk): -one.amount}
        key = Key("refund", one.reference, came=False)
        yield key, Booked(-one.amount, one.payment.currency, one.refunded_at, facts)


def _disputes(code: str, references: Collection[str], when: Time) -> Rows:
    """One that was won, and whose opening nobody told, may have moved money or not."""
    wanted = Q(reference__in=references)
    wanted |= _within("opened_at", when) | _within("closed_at", when)
    for one in Dispute.objects.filter(wanted, processor__code=code):
        opened, won = one.opened_at, one.state == Dispute.State.WON
        if opened or won:
            facts = {("dispute_opened", one.pk): -one.amount} if opened else {}
            key = Key("dispute", one.reference, came=False)
            yield key, Booked(-one.amount, one.currency, opened, facts)
        if won:
            facts = {("dispute_won", one.pk): one.amount} if opened else {}
            key = Key("dispute", one.reference, came=True)
            at = one.closed_at if opened else None
            yield key, Booked(one.amount, one.currency, at, facts)


def _within(name: str, when: Time) -> Q:
    starts_at, ends_at = when
    return Q(**{f"{name}__gte": starts_at, f"{name}__lt": ends_at})
