"""What is told of a change: to the world by events, to the payer's people by mails."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from billing.dunning.models import DunningCase
from billing.dunning.queries import Reader
from billing.dunning.schedule import (
    LIFTED,
    NOW_OVERDUE,
    NOW_SUSPENDED,
    RETRIED,
    STARTED,
    Course,
    Debt,
    Facts,
    Move,
    owed,
)
from billing.mail.services import NewMail
from billing.money import money_text, plain
from billing.payments.models import PaymentAttempt
from billing.webhooks.services import NewEvent
from seats.periods import local_date

ACTOR = "dunning"
UNWRITTEN = {STARTED, RETRIED, LIFTED}  # what follows them is written


@dataclass(frozen=True, slots=True)
class Change:
    """Where a case goes, and what was known; `note` is for staff."""

    case: DunningCase
    facts: Facts
    move: Move
    attempt: PaymentAttempt | None = None
    note: str = ""
    actor: str = ACTOR

    def about(self, kind: str) -> list[Debt]:
        """What a step is about: what is overdue, or also what could not be charged."""
        late = kind in {NOW_OVERDUE, NOW_SUSPENDED}
        return self.facts.overdue if late else self.facts.concerned

    @property
    def next_at(self) -> datetime | None:
        """When the next step is due."""
        return next_step(self.move.course, self.facts)


def next_step(course: Course, facts: Facts) -> datetime | None:
    """When a case is looked at next; a hold puts it off."""
    moments = [at for at in (course.retry_at, course.escalate_at) if at]
    return _put_off(min(moments), facts) if moments else None


def event_of(change: Change, kind: str) -> NewEvent:
    """How the world hears of a step."""
    case, next_at = change.case, change.next_at
    payload = {
        "id": str(case.public_id),
        "agency": case.payer.code,
        "state": case.state,
        "invoice": str(case.invoice.public_id),
        "number": case.invoice.label,
        "amount": plain(owed(change.about(kind))),
        "currency": case.payer.currency,
        "next_step_at": next_at.isoformat() if next_at else None,
        "note": change.note,
        "actor": change.actor,
    }
    subject = f"dunning:{case.public_id}"
    return NewEvent(case.payer_id, f"dunning.{kind}", subject, payload)


def mails_about(
    change: Change, steps: Mapping[str, int], *, reader: Reader, lifted: bool
) -> list[NewMail]:
    """One to each reader for what happened in one moment: of its last step.

    `steps` are the kinds and the numbers of their rows, in order.
    """
    written = [kind for kind in steps if kind not in UNWRITTEN]
    if not written:
        return []
    case, kind = change.case, written[-1]
    context = _context(change, change.about(kind), reader) | {"lifted": lifted}
    key = f"dunning_step:{steps[kind]}"
    return [
        NewMail(address, f"dunning_{kind}", context, key, case.payer_id)
        for address in reader.addresses
    ]


def _context(change: Change, debts: list[Debt], reader: Reader) -> dict[str, Any]:
    case, facts, course = change.case, change.facts, change.move.course

    def on(moment: datetime | None) -> date | None:
        return local_date(_put_off(moment, facts), reader.zones) if moment else None

    return {
        "agency": case.payer,
        "invoice": case.invoice.label,
        "debts": [_shown(debt, case, reader) for debt in debts],
        "total": money_text(owed(debts), case.payer.currency),
        "currency": case.payer.currency,
        "retry_on": on(course.retry_at),
        "escalate_on": on(course.escalate_at),
        "held_until": on(facts.held_until),
        "state": course.state,
        "has_method": facts.method is not None,
    }


def _shown(debt: Debt, case: DunningCase, reader: Reader) -> dict[str, Any]:
    return {
        "number": debt.label,
        "left": money_text(debt.left, case.payer.currency),
        "due_on": local_date(debt.due_at, reader.zones),
    }


def _put_off(moment: datetime, facts: Facts) -> datetime:
    return max(moment, facts.held_until or moment)
