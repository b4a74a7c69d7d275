"""Which money goes to which invoice. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, slots=True)
class Source:
    """What is left of a payment or a credit note, in the payer's currency."""

    kind: Literal["payment", "credit_note"]
    id: int
    free: Decimal


@dataclass(frozen=True, slots=True)
class Target:
    """An invoice and what is still owed on it.

    What was written off takes credit notes and no money, unless money is meant for it.
    """

    id: int
    owed: Decimal
    written_off: bool = False


@dataclass(frozen=True, slots=True)
class Covering:
    """An amount of a payment on an invoice."""

    payment_id: int
    document_id: int
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Move:
    """An amount from a source to an invoice; a negative one is taken back."""

    source: Source
    document_id: int
    amount: Decimal


def allocate_sources(
    sources: Iterable[Source], targets: Sequence[Target]
) -> list[Move]:
    """Use up each source on the targets, both in their order.

    Nothing is given twice, and no target gets more than it is owed.
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
                moves.append(Move(source, target.id, amount))
                owed[target.id] -= amount
                free -= amount
    return moves


def take_back(amount: Decimal, coverings: Iterable[Covering]) -> list[Covering]:
    """What to take from each covering, in their order, to have this amount free.

    As much as there is, where there is not enough.
    """
    taken = []
    for covering in coverings:
        part = min(amount, covering.amount)
        if part > 0:
            taken.append(Covering(covering.payment_id, covering.document_id, part))
            amount -= part
    return taken
