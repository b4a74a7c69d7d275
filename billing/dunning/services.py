"""What payments tell of, taken into the cases of their payers; and pauses by staff.

All but the last are called in the transaction of the fact, with the payers locked.
"""

from collections.abc import Collection
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction

from billing.dunning.models import DunningHold
from billing.dunning.queries import facts_of, open_cases
from billing.dunning.recording import course_of, new_case, record_changes
from billing.dunning.schedule import (
    Rules,
    after_failure,
    after_payment,
    after_success,
    after_unresolved,
    begin_failed,
    held,
    with_method,
)
from billing.dunning.telling import Change
from billing.invoicing.models import Document
from billing.invoicing.services.issuing import lock_accounts
from billing.payments.hosting import HostedPage
from billing.payments.models import PaymentAttempt, PaymentMethod
from seats.agencies.queries import zones_of
from seats.errors import ReasonMissing, Refusal
from seats.models import Agency
from seats.periods import local_date, zone_on


class BadHold(Refusal):
    code = "bad_hold"


def rules() -> Rules:
    """The schedule as the operator chose it."""
    return Rules(settings.DUNNING["RETRIES"], settings.DUNNING["GRACE"])


def take_end(*, attempt: PaymentAttempt, now: datetime) -> None:
    """A charge has an end: open a case of one in vain, and say what comes next.

    A page that nobody paid on asked no card: what was planned before it goes on.
    """
    payer_id = attempt.invoice.payer_id
    case = open_cases([payer_id]).get(payer_id)
    if attempt.state == PaymentAttempt.State.SUCCEEDED:
        if case is None:
            return
        facts = facts_of([payer_id], now=now)[payer_id]
        if attempt.method_id == facts.method:
            move = after_success(course_of(case), facts)
            record_changes([Change(case, facts, move, attempt)], now=now)
        return
    if attempt.invoice.status != Document.Status.OPEN or _is_page_unpaid(attempt):
        return  # who paid told us; or no card was asked
    facts = facts_of([payer_id], now=now)[payer_id]
    if case is None:
        case, move = new_case(payer_id, facts), begin_failed(facts, rules())
    else:
        move = after_failure(course_of(case), facts, rules())
    record_changes([Change(case, facts, move, attempt, attempt.error)], now=now)


def take_unresolved(*, attempt: PaymentAttempt, now: datetime) -> None:
    """Stop waiting for a charge whose unknown outcome was reported to staff.

    A case continues without charging the invoice. Without a case, the sweep opens one
    when the invoice is past due. Repeating is harmless.
    """
    payer_id = attempt.invoice.payer_id
    case = open_cases([payer_id]).get(payer_id)
    if case is None or attempt.invoice.status != Document.Status.OPEN:
        return
    facts = facts_of([payer_id], now=now)[payer_id]
    move = after_unresolved(course_of(case), facts, rules())
    record_changes([Change(case, facts, move, attempt)], now=now)


def take_method(*, method: PaymentMethod, now: datetime) -> None:
    """A payer with a case has another method: the next sweep charges by it."""
    payer_id = method.payer_id
    case = open_cases([payer_id]).get(payer_id)
    if case:
        facts = facts_of([payer_id], now=now)[payer_id]
        move = with_method(course_of(case), facts)
        record_changes([Change(case, facts, move)], now=now)


def take_moves(
    *, payer_ids: Collection[int], now: datetime, without: int | None = None
) -> None:
    """Less, or more, is owed: end cases, and let dial whom nothing overdue is left.

    As if the invoice `without` were not there.
    """
    cases = open_cases(payer_ids)
    if not cases:
        return
    known = facts_of(cases, now=now, without=without)
    changes = []
    for payer_id, case in cases.items():
        facts, course = known[payer_id], course_of(case)
        paid = case.invoice_id not in {debt.invoice for debt in facts.debts}
        move = after_payment(course, facts, rules(), paid=paid)
        if paid or move.course != course:
            changes.append(Change(case, facts, move))
    record_changes(changes, now=now)


def hold_dunning(
    *, payer: Agency, until: date, reason: str, actor: str, now: datetime
) -> DunningHold:
    """Do nothing about what a payer owes before a local date of it.

    Whom dunning suspended may dial until then. The newest hold counts; one until today
    ends it. Raises ReasonMissing, BadHold.
    """
    if not reason.strip():
        raise ReasonMissing("Say why.", field="reason")
    zones = zones_of([payer.pk])[payer.pk]
    today = local_date(now, zones)
    if not today <= until <= today + settings.DUNNING["LONGEST_HOLD"]:
        days = settings.DUNNING["LONGEST_HOLD"].days
        raise BadHold(f"From today on, {days} days at most.", field="until")
    moment = datetime.combine(until, time(), ZoneInfo(zone_on(zones, until)))
    with transaction.atomic():
        lock_accounts([payer.pk])
        hold = DunningHold.objects.create(
            payer=payer, until=moment, reason=reason, actor=actor, held_at=now
        )
        case = open_cases([payer.pk]).get(payer.pk)
        if case and until > today:
            facts = facts_of([payer.pk], now=now)[payer.pk]
            move = held(course_of(case), moment)
            change = Change(case, facts, move, note=reason, actor=actor)
            record_changes([change], now=now)
    return hold


def _is_page_unpaid(attempt: PaymentAttempt) -> bool:
    failed = attempt.state == PaymentAttempt.State.FAILED
    return failed and HostedPage.objects.filter(attempt=attempt).exists()
