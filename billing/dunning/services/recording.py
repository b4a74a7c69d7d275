"""Recording changes of cases: the case, its steps, events, mails and standings.

Always in the transaction that causes them, with the accounts of the payers locked.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing.accounts.models import AccountStanding
from billing.accounts.services import record_standing
from billing.dunning.domain.schedule import CLOSED, SUSPENDED, Course, PayerSnapshot
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.queries import open_cases, recipients_of
from billing.dunning.services.notifications import (
    ACTOR,
    CaseChange,
    step_event,
    step_mails,
)
from billing.mail.services.outbox import queue_mails
from billing.webhooks.services.outbox import publish

Standing = AccountStanding.Standing
REASONS = {
    Standing.SUSPENDED: "Invoices are overdue.",
    Standing.GOOD: "No invoice is overdue any more, or staff paused dunning.",
}
FIELDS = [
    "invoice", "state", "since", "retries", "retry_at", "escalate_at", "closed_at",
]  # fmt: skip


def course_of(case: DunningCase) -> Course:
    """The course of a stored case."""
    return Course(case.state, case.retries, case.retry_at, case.escalate_at)


def new_case(payer_id: int, snapshot: PayerSnapshot) -> DunningCase:
    """An unsaved case for a payer's oldest concerned invoice, before its first step."""
    return DunningCase(
        payer_id=payer_id,
        invoice_id=snapshot.concerned[0].invoice,
        since=snapshot.now,
        opened_at=snapshot.now,
    )


def record_changes(changes: Sequence[CaseChange], *, now: datetime) -> None:
    """Store changes of cases and notify of them, in a fixed number of statements.

    Suspends the agencies of cases that become suspended, and lifts the suspension of
    those that no longer are.
    """
    if not changes:
        return
    suspended = {row.case.pk for row in changes if row.case.state == SUSPENDED}
    changes = _stored(changes, now)
    steps = _append_steps(changes, now)
    publish(
        *(step_event(row, kind) for row in changes for kind in row.transition.steps),
        now=now,
    )
    switched = [
        row for row in changes if (row.case.pk in suspended) != _is_suspended(row)
    ]
    _update_standings(switched, now)
    recipients = recipients_of([row.case.payer_id for row in changes])
    mails = [
        mail
        for row in changes
        for mail in step_mails(
            row,
            steps[row.case.pk],
            recipients=recipients[row.case.payer_id],
            lifted=row in switched and not _is_suspended(row),
        )
    ]
    queue_mails(mails, now=now)


def _stored(changes: Sequence[CaseChange], now: datetime) -> list[CaseChange]:
    """Save the cases; return the changes with payer and invoice of each case loaded."""
    reloaded = []
    for change in changes:
        if _apply(change, now) or not change.case.pk:
            reloaded.append(change.case.payer_id)
    existing = [row.case for row in changes if row.case.pk]
    DunningCase.objects.bulk_update(existing, FIELDS)
    DunningCase.objects.bulk_create(row.case for row in changes if not row.case.pk)
    fresh = open_cases(reloaded) if reloaded else {}
    return [
        replace(row, case=fresh.get(row.case.payer_id, row.case)) for row in changes
    ]


def _apply(change: CaseChange, now: datetime) -> bool:
    """Set the fields of a case by its transition; whether its invoice changed."""
    case, course, concerned = (
        change.case,
        change.transition.course,
        change.snapshot.concerned,
    )
    if course.state != case.state:
        case.since = now
    case.state, case.retries = course.state, course.retries
    case.retry_at, case.escalate_at = course.retry_at, course.escalate_at
    if course.state == CLOSED:
        case.closed_at = now
    if not concerned or case.invoice_id == concerned[0].invoice:
        return False
    case.invoice_id = concerned[0].invoice
    return True


def _append_steps(
    changes: Sequence[CaseChange], now: datetime
) -> dict[int, dict[str, int]]:
    """Append the steps; the ids of the new rows by case id and kind."""
    rows = DunningStep.objects.bulk_create(
        DunningStep(
            case=change.case,
            kind=kind,
            invoice_id=change.case.invoice_id,
            attempt=change.attempt,
            at=now,
            next_at=change.next_at,
            note=change.note[:500],
            actor=change.actor,
        )
        for change in changes
        for kind in change.transition.steps
    )
    step_ids: dict[int, dict[str, int]] = {change.case.pk: {} for change in changes}
    for row in rows:
        step_ids[row.case_id][row.kind] = row.pk
    return step_ids


def _is_suspended(change: CaseChange) -> bool:
    return change.case.state == SUSPENDED


def _update_standings(changes: Sequence[CaseChange], now: datetime) -> None:
    """Suspend payers whose case became suspended; lift it where it no longer is."""
    for standing, reason in REASONS.items():
        agencies = [
            change.case.payer
            for change in changes
            if _is_suspended(change) == (standing == Standing.SUSPENDED)
        ]
        if agencies:
            record_standing(
                agencies=agencies,
                standing=standing,
                causes=[AccountStanding.Cause.DUNNING],
                reason=reason,
                actor=ACTOR,
                now=now,
            )
