"""Notifications of dunning: an event for each step, and mails to the payer's people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from billing.collection.models.attempts import PaymentAttempt
from billing.dunning.domain.schedule import (
    ENDED,
    HELD,
    LIFTED,
    METHOD_NEEDED,
    NOW_OVERDUE,
    NOW_SUSPENDED,
    RETRIED,
    RETRY_SCHEDULED,
    STARTED,
    Course,
    Debt,
    DunningTransition,
    PayerSnapshot,
    owed,
)
from billing.dunning.domain.webhook_events import (
    DunningEnded,
    DunningEvent,
    DunningHeld,
    DunningLifted,
    DunningOverdue,
    DunningPaymentMethodNeeded,
    DunningRetried,
    DunningRetryScheduled,
    DunningStarted,
    DunningSuspended,
)
from billing.dunning.models import DunningCase
from billing.dunning.queries import Recipients
from billing.mail.services.outbox import NewMail
from core.money import money_text
from core.periods import local_date

ACTOR = "dunning"
STEP_EVENTS: Mapping[str, type[DunningEvent]] = {
    STARTED: DunningStarted,
    RETRY_SCHEDULED: DunningRetryScheduled,
    RETRIED: DunningRetried,
    METHOD_NEEDED: DunningPaymentMethodNeeded,
    NOW_OVERDUE: DunningOverdue,
    NOW_SUSPENDED: DunningSuspended,
    LIFTED: DunningLifted,
    HELD: DunningHeld,
    ENDED: DunningEnded,
}
UNMAILED = {STARTED, RETRIED, LIFTED}  # the step that follows each is mailed


@dataclass(frozen=True, slots=True)
class CaseChange:
    """A transition of a case, with the snapshot it is based on; `note` is for staff."""

    case: DunningCase
    snapshot: PayerSnapshot
    transition: DunningTransition
    attempt: PaymentAttempt | None = None
    note: str = ""
    actor: str = ACTOR

    def debts_of(self, kind: str) -> list[Debt]:
        """The invoices of a step: overdue ones, or also those that could not be charged."""
        late = kind in {NOW_OVERDUE, NOW_SUSPENDED}
        return self.snapshot.overdue if late else self.snapshot.concerned

    @property
    def next_at(self) -> datetime | None:
        """When the next step is due."""
        return next_step(self.transition.course, self.snapshot)


def next_step(course: Course, snapshot: PayerSnapshot) -> datetime | None:
    """When the next step of a case is due; a hold postpones it."""
    moments = [at for at in (course.retry_at, course.escalate_at) if at]
    return _postponed(min(moments), snapshot) if moments else None


def step_event(change: CaseChange, kind: str) -> DunningEvent:
    """The event of a step, for the payer."""
    case = change.case
    return STEP_EVENTS[kind](
        agency_id=case.payer_id,
        subject=f"dunning:{case.public_id}",
        id=case.public_id,
        agency=case.payer.code,
        state=case.state,
        invoice=case.invoice.public_id,
        number=case.invoice.label,
        amount=owed(change.debts_of(kind)),
        currency=case.payer.currency,
        next_step_at=change.next_at,
        note=change.note,
        actor=change.actor,
    )


def step_mails(
    change: CaseChange,
    steps: Mapping[str, int],
    *,
    recipients: Recipients,
    lifted: bool,
) -> list[NewMail]:
    """A mail to each recipient about the last mailed step of a change.

    `steps` maps the kinds of the steps, in order, to the ids of their rows. `lifted`:
    a suspension ended with this change.
    """
    mailed = [kind for kind in steps if kind not in UNMAILED]
    if not mailed:
        return []
    case, kind = change.case, mailed[-1]
    debts = change.debts_of(kind)
    context = _context(change, debts, recipients) | {"lifted": lifted}
    key = f"dunning_step:{steps[kind]}"
    return [
        NewMail(address, f"dunning_{kind}", context, key, case.payer_id)
        for address in recipients.addresses
    ]


def _context(
    change: CaseChange, debts: list[Debt], recipients: Recipients
) -> dict[str, Any]:
    case, snapshot, course = change.case, change.snapshot, change.transition.course

    def on(moment: datetime | None) -> date | None:
        return (
            local_date(_postponed(moment, snapshot), recipients.zones)
            if moment
            else None
        )

    return {
        "agency": case.payer,
        "invoice": case.invoice.label,
        "debts": [_debt_context(debt, case, recipients) for debt in debts],
        "total": money_text(owed(debts), case.payer.currency),
        "currency": case.payer.currency,
        "retry_on": on(course.retry_at),
        "escalate_on": on(course.escalate_at),
        "held_until": on(snapshot.held_until),
        "state": course.state,
        "has_method": snapshot.method is not None,
    }


def _debt_context(
    debt: Debt, case: DunningCase, recipients: Recipients
) -> dict[str, Any]:
    return {
        "number": debt.label,
        "left": money_text(debt.left, case.payer.currency),
        "due_on": local_date(debt.due_at, recipients.zones),
    }


def _postponed(moment: datetime, snapshot: PayerSnapshot) -> datetime:
    return max(moment, snapshot.held_until or moment)
