"""What we ask of whoever charges payers. Pure.

Errors do not cross this border: what goes wrong out there is an outcome.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal, Protocol
from uuid import UUID

Kind = Literal[
    "pending", "succeeded", "declined_hard", "declined_soft", "failed", "unknown"
]


@dataclass(frozen=True, slots=True)
class Charge:
    """An amount to charge; `key` is the same for ever, `asked` counts the look-ups."""

    key: UUID
    amount: Decimal
    currency: str
    payer: str
    invoice: str
    requested_at: datetime
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a charge.

    `failed` means: certainly not charged by this call. `unknown` is everything of which
    that cannot be said. A success has the processor's `reference`.
    """

    kind: Kind
    reference: str = ""
    reason: str = ""


class Processor(Protocol):
    """One processor. Neither call raises, and each is over within its time limit."""

    def charge(self, charge: Charge, *, at: datetime) -> Outcome:
        """Charge once per key, however often it is called."""

    def look_up(self, charge: Charge, *, at: datetime) -> Outcome | None:
        """What became of it; None if that is not known there, or comes later."""
