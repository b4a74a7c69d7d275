"""A processor that moves money for certain and answers badly; its journal is the truth."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from billing.processors.domain.port import (
    AccountMovement,
    ChargeRequest,
    ProcessorOutcome,
    RefundRequest,
    Unreachable,
)

KEYS_KEPT = timedelta(hours=24)
UNKNOWN = ProcessorOutcome("unknown", reason="timeout")


@dataclass
class Charged:
    """One time that a card was charged."""

    key: UUID
    amount: Decimal
    reference: str


@dataclass
class GivenBack:
    """One time that money went back to a card."""

    key: UUID
    payment: str
    amount: Decimal
    reference: str


@dataclass
class FakeProcessor:
    """Does things once per key while it keeps the key; `faults` says how calls go.

    A fault is one of: ok, lost (never reached it), hung (done, no answer), later
    (done, the answer comes by webhook), both, hard, soft, refused. `answers` is what it
    wants to tell by webhook, `events` what it lists, `movements` the money it lists.
    """

    faults: Callable[[], str] = lambda: "ok"
    journal: list[Charged] = field(default_factory=list)
    refunds: list[GivenBack] = field(default_factory=list)
    answers: list[tuple[ChargeRequest | RefundRequest, ProcessorOutcome]] = field(
        default_factory=list
    )
    events: list[tuple[str, bytes, datetime]] = field(default_factory=list)
    movements: list[AccountMovement] = field(default_factory=list)
    away: bool = False
    calls: list[tuple[UUID, datetime]] = field(default_factory=list)
    outcomes: dict[UUID, tuple[datetime, ProcessorOutcome]] = field(
        default_factory=dict
    )
    looks: int = 0
    blind: bool = False

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        return self._do(charge, at)

    def refund(self, request: RefundRequest, *, at: datetime) -> ProcessorOutcome:
        return self._do(request, at)

    def look_up(
        self, charge: ChargeRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        return self._look_up(charge.key)

    def look_up_refund(
        self, request: RefundRequest, *, at: datetime
    ) -> ProcessorOutcome | None:
        return self._look_up(request.key)

    def events_since(self, since: datetime) -> Iterator[tuple[str, bytes]]:
        for event_id, body, at in self.events:
            if at >= since:
                yield event_id, body
        if self.away:
            raise Unreachable("no route")

    def account_movements(
        self, starts_at: datetime, ends_at: datetime
    ) -> Iterator[AccountMovement]:
        if self.away:
            raise Unreachable("no route")
        yield from (
            movement
            for movement in self.movements
            if starts_at <= movement.at < ends_at
        )

    def _do(
        self, request: ChargeRequest | RefundRequest, at: datetime
    ) -> ProcessorOutcome:
        self.calls.append((request.key, at))
        fault = self.faults()
        if fault == "lost":
            return UNKNOWN
        if fault == "refused":
            return ProcessorOutcome("failed", reason="no route")
        outcome = self._once(request, fault, at)
        if fault == "hung":
            return UNKNOWN
        if fault == "later":
            self.answers.append((request, outcome))
            return ProcessorOutcome("pending")
        if fault == "both":
            self.answers.append((request, outcome))
        return outcome

    def _look_up(self, key: UUID) -> ProcessorOutcome | None:
        self.looks += 1
        if self.blind or self.faults() == "lost":
            return None
        last = self.outcomes.get(key)
        return last[1] if last else None

    def _once(
        self, request: ChargeRequest | RefundRequest, fault: str, at: datetime
    ) -> ProcessorOutcome:
        """What it did for this key; it does it anew once it has forgotten the key."""
        before = self.outcomes.get(request.key)
        if before and at < before[0] + KEYS_KEPT:
            return before[1]
        if fault in {"hard", "soft"}:
            outcome = ProcessorOutcome(
                "declined_hard" if fault == "hard" else "declined_soft"
            )
        else:
            outcome = ProcessorOutcome("succeeded", self._journal(request))
        self.outcomes[request.key] = (at, outcome)
        return outcome

    def _journal(self, request: ChargeRequest | RefundRequest) -> str:
        if isinstance(request, RefundRequest):
            reference = f"re_{len(self.refunds) + 1}"
            back = GivenBack(request.key, request.payment, request.amount, reference)
            self.refunds.append(back)
        else:
            reference = f"ch_{len(self.journal) + 1}"
            self.journal.append(Charged(request.key, request.amount, reference))
        return reference


def seeded(chance: random.Random) -> Callable[[], str]:
    """Faults chosen by a seeded generator."""
    kinds = "ok lost hung hung later later both hard soft refused".split()
    return lambda: chance.choice(kinds)
