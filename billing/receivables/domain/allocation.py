"""Allocation of payments and credit notes to invoices. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class Source:
    """A payment or credit note; `free` is its unallocated amount, never negative."""

    kind: Literal["payment", "credit_note"]
    id: int
    free: Decimal


@dataclass(frozen=True, slots=True)
class Target:
    """An invoice and what is still owed on it, in the payer's currency.

    A written-off invoice takes credit notes but no payments.
    """

    id: int
    owed: Decimal
    written_off: bool = False


@dataclass(frozen=True, slots=True)
class AllocatedAmount:
    """The positive amount of a payment that covers an invoice."""

    payment_id: int
    document_id: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class AllocationMove:
    """An amount to allocate from a source to an invoice; a negative one is taken back."""

    source: Source
    document_id: int
    amount: Decimal


def allocate_sources(
    sources: Iterable[Source], targets: Sequence[Target]
) -> list[AllocationMove]:
    """Allocate each source to the targets, both in their order.

    No source gives more than is free, and no target gets more than is owed on it.
    """
    owed = {target.id: target.owed for target in targets}
    moves = []
    for source in sources:
        free = source.free
        for target in targets:
            if target.written_off and source.kind == "payment":
                continue
            amount = min(free, owed[target.id])
            if amount > 0:
                moves.append(AllocationMove(source, target.id, amount))
                owed[target.id] -= amount
                free -= amount
    return moves


def deallocate(
    amount: Decimal, allocated: Iterable[AllocatedAmount]
) -> list[AllocatedAmount]:
    """The amounts to take back, in the given order, to free this amount.

    If there is not enough, all of it is taken.
    """
    taken = []
    for part in allocated:
        freed = min(amount, part.amount)
        if freed > 0:
            taken.append(AllocatedAmount(part.payment_id, part.document_id, freed))
            amount -= freed
    return taken
