"""A processor that charges for certain and answers badly; its journal is the truth."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from billing.payments.processors.port import Charge, Outcome

KEYS_KEPT = timedelta(hours=24)
UNKNOWN = Outcome("unknown", reason="timeout")


@dataclass
class Charged:
    """One time that a card was charged."""

    key: UUID
    amount: Decimal
    reference: str


@dataclass
class FakeProcessor:
    """Charges once per key while it keeps the key; `faults` says how each call goes.

    A fault is one of: ok, lost (never reached it), hung (charged, no answer), later
    (charged, the answer comes by webhook), hard, soft, refused. `answers` is what it
    wants to tell by webhook.
    """

    faults: Callable[[], str] = lambda: "ok"
    journal: list[Charged] = field(default_factory=list)
    answers: list[tuple[Charge, Outcome]] = field(default_factory=list)
    calls: list[tuple[UUID, datetime]] = field(default_factory=list)
    known: dict[UUID, tuple[datetime, Outcome]] = field(default_factory=dict)
    looks: int = 0
    blind: bool = False

    def charge(self, charge: Charge, *, at: datetime) -> Outcome:
        self.calls.append((charge.key, at))
        fault = self.faults()
        if fault == "lost":
            return UNKNOWN
        if fault == "refused":
            return Outcome("failed", reason="no route")
        outcome = self._once(charge, fault, at)
        if fault == "hung":
            return UNKNOWN
        if fault == "later":
            self.answers.append((charge, outcome))
            return Outcome("pending")
        if fault == "both":
            self.answers.append((charge, outcome))
        return outcome

    def look_up(self, charge: Charge, *, at: datetime) -> Outcome | None:
        self.looks += 1
        if self.blind or self.faults() == "lost":
            return None
        last = self.known.get(charge.key)
        return last[1] if last else None

    def _once(self, charge: Charge, fault: str, at: datetime) -> Outcome:
        """What it did for this key; it does it anew once it has forgotten the key."""
        before = self.known.get(charge.key)
        if before and at < before[0] + KEYS_KEPT:
            return before[1]
        if fault in {"hard", "soft"}:
            outcome = Outcome("declined_hard" if fault == "hard" else "declined_soft")
        else:
            reference = f"ch_{len(self.journal) + 1}"
            self.journal.append(Charged(charge.key, charge.amount, reference))
            outcome = Outcome("succeeded", reference)
        self.known[charge.key] = (at, outcome)
        return outcome


def seeded(chance: random.Random) -> Callable[[], str]:
    """Faults of one seed."""
    kinds = "ok lost hung hung later later both hard soft refused".split()
    return lambda: chance.choice(kinds)
