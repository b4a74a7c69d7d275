"""Dunning's reactions to payments, and pauses by staff.

All but `hold_dunning` are called in the transaction that changes the payment, with the
accounts of the payers locked.
"""

from collections.abc import Collection
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.dunning.domain.schedule import (
    DunningPolicy,
    after_failure,
    after_payment,
    after_success,
    after_unresolved,
    begin_failed,
    held,
    with_method,
)
from billing.dunning.models import DunningHold
from billing.dunning.queries import open_cases, payer_snapshots
from billing.dunning.services.notifications import CaseChange
from billing.dunning.services.recording import course_of, new_case, record_changes
from billing.invoicing.models.documents import Document
from billing.invoicing.services.issuing import lock_accounts
from core.errors import ReasonMissing, Refusal
from core.periods import local_date, zone_on
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency


class BadHold(Refusal):
    """The date until which dunning is to be paused is out of range.

    Choose a date within the range that `detail` states.
    """

    code = "bad_hold"


def dunning_policy() -> DunningPolicy:
    """The dunning schedule of the operator's settings."""
    return DunningPolicy(settings.DUNNING["RETRIES"], settings.DUNNING["GRACE"])


def handle_attempt_end(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Continue or open the payer's case after a charge succeeded or failed.

    A checkout page that nobody paid on charged no card, so it changes nothing.
    """
    payer_id = attempt.invoice.payer_id
    case = open_cases([payer_id]).get(payer_id)
    if attempt.state == PaymentAttempt.State.SUCCEEDED:
        if case is None:
            return
        snapshot = payer_snapshots([payer_id], now=now)[payer_id]
        if attempt.method_id == snapshot.method:
            transition = after_success(course_of(case), snapshot)
            record_changes([CaseChange(case, snapshot, transition, attempt)], now=now)
        return
    if attempt.invoice.state != Document.State.OPEN or _is_page_unpaid(attempt):
        return  # it was paid or voided meanwhile; or no card was charged
    snapshot = payer_snapshots([payer_id], now=now)[payer_id]
    if case is None:
        case, transition = (
            new_case(payer_id, snapshot),
            begin_failed(snapshot, dunning_policy()),
        )
    else:
        transition = after_failure(course_of(case), snapshot, dunning_policy())
    record_changes(
        [CaseChange(case, snapshot, transition, attempt, attempt.last_error)], now=now
    )


def handle_unresolved_attempt(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Stop waiting for a charge whose unknown outcome was reported to staff.

    A case continues without charging the invoice. Without a case, the sweep opens one
    when the invoice is past due. Repeating is harmless.
    """
    payer_id = attempt.invoice.payer_id
    case = open_cases([payer_id]).get(payer_id)
    if case is None or attempt.invoice.state != Document.State.OPEN:
        return
    snapshot = payer_snapshots([payer_id], now=now)[payer_id]
    transition = after_unresolved(course_of(case), snapshot, dunning_policy())
    record_changes([CaseChange(case, snapshot, transition, attempt)], now=now)


def handle_new_method(*, method: PaymentMethod, now: datetime) -> None:
    """Let the next sweep charge the new payment method of a payer with an open case."""
    payer_id = method.payer_id
    case = open_cases([payer_id]).get(payer_id)
    if case:
        snapshot = payer_snapshots([payer_id], now=now)[payer_id]
        transition = with_method(course_of(case), snapshot)
        record_changes([CaseChange(case, snapshot, transition)], now=now)


def handle_debt_changes(
    *, payer_ids: Collection[int], now: datetime, without: int | None = None
) -> None:
    """Continue or close the cases of payers after their debts changed.

    Lifts suspensions where nothing is overdue any more. The document `without` is left
    out, as if it were already gone. Repeating is harmless.
    """
    cases = open_cases(payer_ids)
    if not cases:
        return
    snapshots = payer_snapshots(cases, now=now, without=without)
    changes = []
    for payer_id, case in cases.items():
        snapshot, course = snapshots[payer_id], course_of(case)
        paid = case.invoice_id not in {debt.invoice for debt in snapshot.debts}
        transition = after_payment(course, snapshot, dunning_policy(), paid=paid)
        if paid or transition.course != course:
            changes.append(CaseChange(case, snapshot, transition))
    record_changes(changes, now=now)


def hold_dunning(
    *, payer: Agency, until: date, reason: str, actor: str, now: datetime
) -> DunningHold:
    """Pause dunning of a payer until (not including) a local date of the payer.

    A payer that dunning suspended may make calls until then. The newest hold counts; a
    hold until today ends the pause. Not safe to repeat: each call adds a hold. Raises
    ReasonMissing, BadHold.
    """
    if not reason.strip():
        raise ReasonMissing(
            f"Enter a reason for pausing dunning of {payer.code}.", field="reason"
        )
    zones = zones_of([payer.pk])[payer.pk]
    today = local_date(now, zones)
    longest = settings.DUNNING["LONGEST_HOLD"]
    if not today <= until <= today + longest:
        raise BadHold(
            f"Dunning cannot be paused until {until}. Choose a date from {today} to"
            f" {today + longest} ({longest.days} days ahead).",
            field="until",
        )
    moment = datetime.combine(until, time(), ZoneInfo(zone_on(zones, until)))
    with transaction.atomic():
        lock_accounts([payer.pk])
        hold = DunningHold.objects.create(
            payer=payer, until=moment, reason=reason, actor=actor, held_at=now
        )
        case = open_cases([payer.pk]).get(payer.pk)
        if case and until > today:
            snapshot = payer_snapshots([payer.pk], now=now)[payer.pk]
            transition = held(course_of(case), moment)
            change = CaseChange(case, snapshot, transition, note=reason, actor=actor)
            record_changes([change], now=now)
    return hold


def _is_page_unpaid(attempt: PaymentAttempt) -> bool:
    failed = attempt.state == PaymentAttempt.State.FAILED
    return failed and CheckoutPage.objects.filter(attempt=attempt).exists()
