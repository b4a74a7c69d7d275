"""The dunning schedule: the next step for a payer that owes. Pure.

A course is the state of a case and its two dates. At `retry_at` the oldest invoice is
charged again; at `escalate_at` the payer is notified that it is overdue, and then
suspended. Every date counts from the step before it, so an outage shortens no deadline.
Amounts are positive decimals in the payer's currency; instants are aware UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from billing.processors.domain.attempt_states import OPEN

RETRYING, WAITING = "retrying", "waiting"
OVERDUE, SUSPENDED, CLOSED = "overdue", "suspended", "closed"
BEFORE_OVERDUE = {RETRYING, WAITING}

STARTED, RETRY_SCHEDULED, RETRIED = "started", "retry_scheduled", "retried"
METHOD_NEEDED, NOW_OVERDUE = "payment_method_needed", "overdue"
NOW_SUSPENDED, LIFTED, HELD, ENDED = "suspended", "lifted", "held", "ended"

UNRESOLVED = (
    "unresolved"  # still open, and reported to staff because its outcome is unknown
)
FAILED_STATES = {"declined_hard", "declined_soft", "failed"}


@dataclass(frozen=True, slots=True)
class DunningPolicy:
    """The pauses before each retry, and the time from overdue to suspended (`grace`)."""

    retries: Sequence[timedelta]
    grace: timedelta

    @property
    def first(self) -> timedelta:
        """The pause before the first retry."""
        return self.retries[0] if self.retries else timedelta(0)


@dataclass(frozen=True, slots=True)
class Debt:
    """An open invoice: the amount left to pay, and the state of its newest attempt.

    `attempt` is None where the invoice was never charged.
    """

    invoice: int
    label: str
    due_at: datetime
    left: Decimal
    attempt: str | None


def owed(debts: Iterable[Debt]) -> Decimal:
    """The total that is left to pay."""
    return sum((debt.left for debt in debts), Decimal(0))


@dataclass(frozen=True, slots=True)
class PayerSnapshot:
    """A payer at a moment: its open invoices (the oldest first), method and hold.

    `method_failed`: the payment method was permanently declined, or the bank took a
    payment back.
    """

    now: datetime
    debts: Sequence[Debt] = ()
    method: int | None = None
    method_failed: bool = False
    held_until: datetime | None = None

    @property
    def concerned(self) -> list[Debt]:
        """Invoices that could not be charged, are unresolved, or are past due."""
        return [
            debt
            for debt in self.debts
            if debt.due_at <= self.now or debt.attempt in {*FAILED_STATES, UNRESOLVED}
        ]

    @property
    def chargeable(self) -> list[Debt]:
        """Concerned invoices without an unresolved charge, which may have succeeded."""
        return [debt for debt in self.concerned if debt.attempt != UNRESOLVED]

    @property
    def unresolved(self) -> bool:
        """Whether nothing can be charged until the outcome of a charge is known."""
        return bool(self.concerned) and not self.chargeable

    @property
    def overdue(self) -> list[Debt]:
        """Invoices that are past their due date."""
        return [debt for debt in self.debts if debt.due_at <= self.now]

    @property
    def usable(self) -> bool:
        """Whether there is a payment method that can be charged."""
        return self.method is not None and not self.method_failed

    @property
    def resting(self) -> bool:
        """Whether no step is taken: staff hold the payer, or a charge is in progress.

        A charge that was reported to staff as unresolved is no longer waited for.
        """
        held = self.held_until is not None and self.held_until > self.now
        return held or any(debt.attempt in OPEN for debt in self.debts)


@dataclass(frozen=True, slots=True)
class Course:
    """The state of a case and its next dates; `retries` counts those planned so far."""

    state: str = RETRYING
    retries: int = 0
    retry_at: datetime | None = None
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DunningTransition:
    """The next course of a case, and the steps to record.

    `charges`: the oldest chargeable invoice is charged.
    """

    course: Course
    steps: tuple[str, ...] = ()
    charges: bool = False


def begin_overdue(snapshot: PayerSnapshot, policy: DunningPolicy) -> DunningTransition:
    """Open a case for an invoice that is past due without a failed charge."""
    if snapshot.usable and not snapshot.unresolved:
        transition = _scheduled(Course(), snapshot.now + policy.first)
    else:
        transition = _escalated(Course(), snapshot, policy)
    return replace(transition, steps=(STARTED, *transition.steps))


def begin_failed(snapshot: PayerSnapshot, policy: DunningPolicy) -> DunningTransition:
    """Open a case after a failed charge."""
    transition = after_failure(Course(), snapshot, policy)
    return replace(transition, steps=(STARTED, *transition.steps))


def after_failure(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy
) -> DunningTransition:
    """Continue after a charge was declined or failed; a planned retry stays planned."""
    if not snapshot.usable:
        return _without_method(course, snapshot, policy)
    if course.retry_at:
        return DunningTransition(course)
    if course.retries < len(policy.retries):
        return _scheduled(course, snapshot.now + policy.retries[course.retries])
    if course.state in BEFORE_OVERDUE and snapshot.overdue:
        return _escalated(course, snapshot, policy)
    return _without_method(course, snapshot, policy, exhausted=True)


def after_success(course: Course, snapshot: PayerSnapshot) -> DunningTransition:
    """Continue after a charge succeeded: charge the next oldest invoice at once."""
    return (
        with_method(course, snapshot) if snapshot.usable else DunningTransition(course)
    )


def with_method(course: Course, snapshot: PayerSnapshot) -> DunningTransition:
    """Charge a new payment method at once; retries start over, deadlines stay."""
    if snapshot.unresolved:
        return DunningTransition(replace(course, retries=0))
    state = RETRYING if course.state in BEFORE_OVERDUE else course.state
    return DunningTransition(
        replace(course, state=state, retries=0, retry_at=snapshot.now)
    )


def after_unresolved(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy
) -> DunningTransition:
    """Stop waiting for a charge whose unknown outcome was reported to staff.

    The next oldest invoice is charged in its turn, if there is one.
    """
    if not snapshot.unresolved:
        return after_failure(course, snapshot, policy)
    if course.escalate_at:
        return DunningTransition(course)
    return while_unresolved(course, snapshot, policy)


def while_unresolved(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy
) -> DunningTransition:
    """Continue without charging while the outcome of an open charge is unknown.

    Overdue invoices are announced as overdue; others wait for their due date. Deadlines
    stay.
    """
    course = replace(course, retry_at=None)
    if course.state not in BEFORE_OVERDUE:
        return DunningTransition(course)
    if snapshot.overdue:
        return _escalated(course, snapshot, policy)
    escalate_at = course.escalate_at or snapshot.concerned[0].due_at
    return DunningTransition(replace(course, state=WAITING, escalate_at=escalate_at))


def after_payment(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy, *, paid: bool
) -> DunningTransition:
    """Continue after the debts changed; `paid`: the case's own invoice is settled."""
    if not snapshot.concerned:
        return ended()
    if course.state not in BEFORE_OVERDUE and not snapshot.overdue:
        fresh = _restarted(snapshot, policy)
        steps = (LIFTED,) if course.state == SUSPENDED else ()
        return replace(fresh, steps=(*steps, *fresh.steps))
    if not paid:
        return DunningTransition(course)
    if course.state in BEFORE_OVERDUE:
        return _restarted(snapshot, policy)
    course = replace(course, retries=0, retry_at=None)
    if snapshot.usable and not snapshot.unresolved:
        course = _scheduled(course, snapshot.now + policy.first).course
    return DunningTransition(course)


def when_due(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy
) -> DunningTransition | None:
    """The step that is due now; None while the payer rests, or where none is due."""
    if not snapshot.concerned:
        return ended()
    if course.state not in BEFORE_OVERDUE and not snapshot.overdue:
        return after_payment(course, snapshot, policy, paid=True)
    if snapshot.resting:
        return None
    if course.retry_at and course.retry_at <= snapshot.now:
        if snapshot.unresolved:
            return while_unresolved(course, snapshot, policy)
        if not snapshot.usable:
            return _without_method(course, snapshot, policy)
        return DunningTransition(
            replace(course, retry_at=None), (RETRIED,), charges=True
        )
    if course.escalate_at and course.escalate_at <= snapshot.now:
        return _next_stage(course, snapshot, policy)
    return None


def held(course: Course, until: datetime) -> DunningTransition:
    """Pause a case until a date; a suspended payer may make calls until then."""
    if course.state != SUSPENDED:
        return DunningTransition(course, (HELD,))
    course = replace(course, state=OVERDUE, escalate_at=until)
    return DunningTransition(course, (LIFTED, HELD))


def ended() -> DunningTransition:
    """Close a case: nothing is overdue or failed any more."""
    return DunningTransition(Course(state=CLOSED), (ENDED,))


def _restarted(snapshot: PayerSnapshot, policy: DunningPolicy) -> DunningTransition:
    """Start the schedule over from the first retry."""
    if snapshot.unresolved:
        return while_unresolved(Course(), snapshot, policy)
    if snapshot.usable:
        return _scheduled(Course(), snapshot.now + policy.first)
    return _without_method(Course(), snapshot, policy)


def _scheduled(course: Course, at: datetime) -> DunningTransition:
    state = RETRYING if course.state in BEFORE_OVERDUE else course.state
    course = replace(course, state=state, retries=course.retries + 1, retry_at=at)
    return DunningTransition(course, (RETRY_SCHEDULED,))


def _next_stage(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy
) -> DunningTransition:
    """Escalate to overdue, then to suspended; wait for the due date where none passed."""
    if not snapshot.overdue:
        return DunningTransition(
            replace(course, escalate_at=snapshot.concerned[0].due_at)
        )
    if course.state in BEFORE_OVERDUE:
        return _escalated(course, snapshot, policy)
    stopped = replace(course, state=SUSPENDED, escalate_at=None)
    return DunningTransition(stopped, (NOW_SUSPENDED,))


def _escalated(
    course: Course, snapshot: PayerSnapshot, policy: DunningPolicy
) -> DunningTransition:
    until = snapshot.now + policy.grace
    return DunningTransition(
        replace(course, state=OVERDUE, escalate_at=until), (NOW_OVERDUE,)
    )


def _without_method(
    course: Course,
    snapshot: PayerSnapshot,
    policy: DunningPolicy,
    *,
    exhausted: bool = False,
) -> DunningTransition:
    """Wait for another payment method or a payment, at least until the due date.

    Unless retries were exhausted, also at least as long as the pause of the first retry.
    """
    course = replace(course, retry_at=None)
    if course.state in BEFORE_OVERDUE:
        due = snapshot.concerned[0].due_at
        later = due if exhausted else max(due, snapshot.now + policy.first)
        escalate_at = course.escalate_at or later
        course = replace(course, state=WAITING, escalate_at=escalate_at)
    return DunningTransition(course, (METHOD_NEEDED,))
