"""Bringing what payers gave and what they owe together."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.invoicing.models import Document
from billing.money import plain
from billing.payments.allocation import (
    Move,
    Source,
    Target,
    allocate_sources,
    take_back,
)
from billing.payments.models import Allocation
from billing.payments.queries.positions import (
    Position,
    covered_by_payments,
    positions_of,
)
from billing.payments.services.posting import post_allocations
from billing.payments.signals import invoices_moved
from billing.webhooks.services import NewEvent, publish
from seats.arrays import array_text

ZERO = Decimal(0)
# An invoice is paid when it is covered; a credit note when it is used up.
MOVE_STATUS = """
    UPDATE billing_document AS document
    SET status = CASE WHEN due.left = 0 THEN 'paid' ELSE 'open' END
    FROM (
        SELECT id, abs(total) - coalesce((
            SELECT sum(amount) FROM billing_allocation AS allocation
            WHERE allocation.document_id = touched.id
               OR allocation.credit_note_id = touched.id), 0) AS left
        FROM billing_document AS touched WHERE id = ANY(%s::bigint[])
    ) AS due
    WHERE document.id = due.id
      AND ((due.left = 0 AND document.status IN ('open', 'uncollectible'))
        OR (due.left > 0 AND document.status = 'paid'))
    RETURNING document.id
"""


def settle_accounts(
    payer_ids: Collection[int], *, now: datetime, first: int | None = None
) -> None:
    """Use what payers have to give on what they owe, `first` before the oldest.

    Credit notes come before money. What is left of them frees money that covers
    something; money that covers nothing is the payer's credit. The payers must be
    locked; repeating is harmless.
    """
    positions = positions_of(payer_ids)
    moves = [
        move
        for position in positions.values()
        for move in allocate_sources(
            position.sources, _before_others(position.targets, first)
        )
    ]
    record_moves(moves + _freed(positions, moves), now=now)


def record_moves(moves: Sequence[Move], *, now: datetime) -> None:
    """Append allocations, post them, and move and announce the documents' status."""
    if not moves:
        return
    made = Allocation.objects.bulk_create(
        Allocation(
            payment_id=move.source.id if move.source.kind == "payment" else None,
            credit_note_id=(
                move.source.id if move.source.kind == "credit_note" else None
            ),
            document_id=move.document_id,
            amount=move.amount,
            recorded_at=now,
        )
        for move in moves
    )
    post_allocations([one.pk for one in made if one.payment_id], now=now)
    touched = {one.document_id for one in made} | {
        one.credit_note_id for one in made if one.credit_note_id
    }
    with connection.cursor() as cursor:
        cursor.execute(MOVE_STATUS, [array_text(sorted(touched))])
        moved = [pk for (pk,) in cursor.fetchall()]
    documents = Document.objects.filter(pk__in=moved, kind=Document.Kind.INVOICE)
    found = list(documents.order_by("pk"))
    publish([_status_event(one) for one in found], now=now)
    if found:
        invoices_moved.send(
            Document,
            documents=[one.pk for one in found],
            payers={one.payer_id for one in found},
            now=now,
        )


def _before_others(targets: list[Target], first: int | None) -> list[Target]:
    """One that is meant takes money even if it was written off."""
    meant = [Target(t.id, t.owed) for t in targets if t.id == first]
    return meant + [target for target in targets if target.id != first]


def _freed(positions: Mapping[int, Position], moves: Sequence[Move]) -> list[Move]:
    """What is left of credit notes, in place of the money that covers invoices."""
    left = _left_of_credit_notes(positions, moves)
    covered = covered_by_payments(left) if left else {}
    swaps: list[Move] = []
    for payer_id, sources in left.items():
        total = sum((source.free for source in sources), ZERO)
        taken = take_back(total, covered.get(payer_id, []))
        freed = [
            Target(number, covering.amount) for number, covering in enumerate(taken)
        ]
        for move in allocate_sources(sources, freed):
            covering = taken[move.document_id]
            money = Source("payment", covering.payment_id, ZERO)
            swaps.append(Move(money, covering.document_id, -move.amount))
            swaps.append(Move(move.source, covering.document_id, move.amount))
    return swaps


def _left_of_credit_notes(
    positions: Mapping[int, Position], moves: Sequence[Move]
) -> dict[int, list[Source]]:
    used: dict[int, Decimal] = defaultdict(Decimal)
    for move in moves:
        if move.source.kind == "credit_note":
            used[move.source.id] += move.amount
    left: dict[int, list[Source]] = {}
    for payer_id, position in positions.items():
        for source in position.sources:
            rest = source.free - used[source.id]
            if source.kind == "credit_note" and rest > 0:
                left.setdefault(payer_id, []).append(replace(source, free=rest))
    return left


def _status_event(document: Document) -> NewEvent:
    assert document.due_at
    kind = "paid" if document.status == Document.Status.PAID else "reopened"
    payload = {
        "id": str(document.public_id),
        "number": document.label,
        "month": document.month.isoformat(),
        "currency": document.currency,
        "total": plain(document.total),
        "due_at": document.due_at.isoformat(),
        "hash": document.hash,
    }
    subject = f"document:{document.public_id}"
    return NewEvent(document.payer_id, f"invoice.{kind}", subject, payload)
