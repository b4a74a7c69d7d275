"""Writing what comes of cases: the case, its steps, events, mails, and standings.

All in the transaction of the fact, of payers whose accounts are locked.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from billing.accounts.models import AccountStanding
from billing.accounts.services import record_standing
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.queries import open_cases, readers_of
from billing.dunning.schedule import CLOSED, SUSPENDED, Course, Facts
from billing.dunning.telling import ACTOR, Change, event_of, mails_about
from billing.mail.services import queue_mails
from billing.webhooks.services import publish

Standing = AccountStanding.Standing
REASONS = {
    Standing.SUSPENDED: "Invoices are overdue.",
    Standing.GOOD: "Nothing is overdue any more, or staff wait for it.",
}
FIELDS = [
    "invoice", "state", "since", "retries", "retry_at", "escalate_at", "closed_at",
]  # fmt: skip


def course_of(case: DunningCase) -> Course:
    """Where a case stands."""
    return Course(case.state, case.retries, case.retry_at, case.escalate_at)


def new_case(payer_id: int, facts: Facts) -> DunningCase:
    """A case about what a payer owes, before its first step."""
    return DunningCase(
        payer_id=payer_id,
        invoice_id=facts.concerned[0].invoice,
        since=facts.now,
        opened_at=facts.now,
    )


def record_changes(changes: Sequence[Change], *, now: datetime) -> None:
    """Keep and tell what comes of cases, in a fixed number of statements."""
    if not changes:
        return
    stopped = {one.case.pk for one in changes if one.case.state == SUSPENDED}
    changes = _stored(changes, now)
    steps = _append_steps(changes, now)
    publish(
        [event_of(change, kind) for change in changes for kind in change.move.steps],
        now=now,
    )
    goes = [one for one in changes if (one.case.pk in stopped) != _stops(one)]
    _stand(goes, now)
    readers = readers_of([one.case.payer_id for one in changes])
    mails = [
        mail
        for one in changes
        for mail in mails_about(
            one,
            steps[one.case.pk],
            reader=readers[one.case.payer_id],
            lifted=one in goes and not _stops(one),
        )
    ]
    queue_mails(mails, now=now)


def _stored(changes: Sequence[Change], now: datetime) -> list[Change]:
    """The changes with their cases as they are now stored, payer and invoice at hand."""
    moved = []
    for change in changes:
        if _set(change, now) or not change.case.pk:
            moved.append(change.case.payer_id)
    known = [one.case for one in changes if one.case.pk]
    DunningCase.objects.bulk_update(known, FIELDS)
    DunningCase.objects.bulk_create(one.case for one in changes if not one.case.pk)
    fresh = open_cases(moved) if moved else {}
    return [
        replace(one, case=fresh.get(one.case.payer_id, one.case)) for one in changes
    ]


def _set(change: Change, now: datetime) -> bool:
    """Bring a case to where it goes; whether it is about another invoice now."""
    case, course, concerned = change.case, change.move.course, change.facts.concerned
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
    changes: Sequence[Change], now: datetime
) -> dict[int, dict[str, int]]:
    """The numbers of the new rows, by case and kind."""
    rows = DunningStep.objects.bulk_create(
        DunningStep(
            case=one.case,
            kind=kind,
            invoice_id=one.case.invoice_id,
            attempt=one.attempt,
            at=now,
            next_at=one.next_at,
            note=one.note[:500],
            actor=one.actor,
        )
        for one in changes
        for kind in one.move.steps
    )
    found: dict[int, dict[str, int]] = {one.case.pk: {} for one in changes}
    for row in rows:
        found[row.case_id][row.kind] = row.pk
    return found


def _stops(change: Change) -> bool:
    return change.case.state == SUSPENDED


def _stand(changes: Sequence[Change], now: datetime) -> None:
    """Suspend whose case came to that, and let dial whose case left it."""
    for standing, reason in REASONS.items():
        agencies = [
            one.case.payer
            for one in changes
            if _stops(one) == (standing == Standing.SUSPENDED)
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
