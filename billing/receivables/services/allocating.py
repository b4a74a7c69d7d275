"""Allocating payments and credit notes to invoices."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from django.db import connection

from billing.invoicing.domain.webhook_events import DocumentEvent, InvoicePaid
from billing.invoicing.models.documents import Document
from billing.ledger.services import post_allocations
from billing.receivables.domain.allocation import (
    AllocationMove,
    Source,
    Target,
    allocate_sources,
    deallocate,
)
from billing.receivables.domain.webhook_events import InvoiceReopened
from billing.receivables.models import Allocation
from billing.receivables.queries.positions import (
    Position,
    allocated_by_payment,
    positions_of,
)
from billing.receivables.signals import invoice_states_changed
from billing.webhooks.services.outbox import publish
from core.postgres.arrays import array_text

ZERO = Decimal(0)
# An invoice is paid when it is fully covered, a credit note when it is used up.
UPDATE_STATE = """
    UPDATE billing_document AS document
    SET state = CASE WHEN due.left = 0 THEN 'paid' ELSE 'open' END
    FROM (
        SELECT id, abs(total) - coalesce((
            SELECT sum(amount) FROM billing_allocation AS allocation
            WHERE allocation.document_id = touched.id
               OR allocation.credit_note_id = touched.id), 0) AS left
        FROM billing_document AS touched WHERE id = ANY(%s::bigint[])
    ) AS due
    WHERE document.id = due.id
      AND ((due.left = 0 AND document.state IN ('open', 'uncollectible'))
        OR (due.left > 0 AND document.state = 'paid'))
    RETURNING document.id
"""


def settle_accounts(
    payer_ids: Collection[int], *, now: datetime, first: int | None = None
) -> None:
    """Allocate what payers have to what they owe, oldest invoice first.

    Credit notes are used before payments. Unused credit notes replace payments that
    cover invoices; unallocated payments are the payer's credit balance. `first` is the
    id of an invoice to cover before the others. The payers must be locked; repeating is
    harmless.
    """
    positions = positions_of(payer_ids)
    moves = [
        move
        for position in positions.values()
        for move in allocate_sources(
            position.sources, _put_first(position.targets, first)
        )
    ]
    record_allocations(moves + _swap_for_credit_notes(positions, moves), now=now)


def record_allocations(moves: Sequence[AllocationMove], *, now: datetime) -> None:
    """Append allocations, post them, and update and publish the documents' state.

    A negative amount takes back what a payment covered.
    """
    if not moves:
        return
    allocations = Allocation.objects.bulk_create(
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
    post_allocations([row.pk for row in allocations if row.payment_id], now=now)
    touched = {row.document_id for row in allocations} | {
        row.credit_note_id for row in allocations if row.credit_note_id
    }
    with connection.cursor() as cursor:
        cursor.execute(UPDATE_STATE, [array_text(sorted(touched))])
        changed_ids = [pk for (pk,) in cursor.fetchall()]
    documents = Document.objects.filter(pk__in=changed_ids, kind=Document.Kind.INVOICE)
    invoices = list(documents.order_by("pk"))
    publish(*map(_state_event, invoices), now=now)
    if invoices:
        invoice_states_changed.send(
            Document,
            documents=[invoice.pk for invoice in invoices],
            payers={invoice.payer_id for invoice in invoices},
            now=now,
        )


def _put_first(targets: list[Target], first: int | None) -> list[Target]:
    """Put the preferred invoice first; it takes payments even if it was written off."""
    preferred = [Target(t.id, t.owed) for t in targets if t.id == first]
    return preferred + [target for target in targets if target.id != first]


def _swap_for_credit_notes(
    positions: Mapping[int, Position], moves: Sequence[AllocationMove]
) -> list[AllocationMove]:
    """Moves that use unused credit notes in place of payments that cover invoices."""
    unused = _unused_credit_notes(positions, moves)
    covered = allocated_by_payment(unused) if unused else {}
    swaps: list[AllocationMove] = []
    for payer_id, sources in unused.items():
        total = sum((source.free for source in sources), ZERO)
        taken = deallocate(total, covered.get(payer_id, []))
        freed = [
            Target(number, covering.amount) for number, covering in enumerate(taken)
        ]
        for move in allocate_sources(sources, freed):
            covering = taken[move.document_id]
            money = Source("payment", covering.payment_id, ZERO)
            swaps.append(AllocationMove(money, covering.document_id, -move.amount))
            swaps.append(AllocationMove(move.source, covering.document_id, move.amount))
    return swaps


def _unused_credit_notes(
    positions: Mapping[int, Position], moves: Sequence[AllocationMove]
) -> dict[int, list[Source]]:
    used: dict[int, Decimal] = defaultdict(Decimal)
    for move in moves:
        if move.source.kind == "credit_note":
            used[move.source.id] += move.amount
    unused: dict[int, list[Source]] = {}
    for payer_id, position in positions.items():
        for source in position.sources:
            rest = source.free - used[source.id]
            if source.kind == "credit_note" and rest > 0:
                unused.setdefault(payer_id, []).append(replace(source, free=rest))
    return unused


def _state_event(document: Document) -> DocumentEvent:
    assert document.due_at
    is_paid = document.state == Document.State.PAID
    event_type = InvoicePaid if is_paid else InvoiceReopened
    return event_type(
        agency_id=document.payer_id,
        subject=f"document:{document.public_id}",
        id=document.public_id,
        number=document.label,
        month=document.month,
        currency=document.currency,
        total=document.total,
        due_at=document.due_at,
        hash=document.hash,
    )
