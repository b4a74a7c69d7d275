"""What comes next for a payer that owes, from what is known of it. Pure.

A course says where a case stands: its state, and two dates. At `retry_at` the oldest
invoice is charged again; at `escalate_at` what is overdue is told so, and then suspended.
Every date counts from the step before it, so an outage of ours takes nobody's time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from billing.payments.attempt_states import OPEN

RETRYING, WAITING = "retrying", "waiting"
OVERDUE, SUSPENDED, CLOSED = "overdue", "suspended", "closed"
EARLY = {RETRYING, WAITING}

STARTED, RETRY_SCHEDULED, RETRIED = "started", "retry_scheduled", "retried"
METHOD_NEEDED, NOW_OVERDUE = "payment_method_needed", "overdue"
NOW_SUSPENDED, LIFTED, HELD, ENDED = "suspended", "lifted", "held", "ended"

UNRESOLVED = (
    "unresolved"  # still open, and reported to staff because its outcome is unknown
)
IN_VAIN = {"declined_hard", "declined_soft", "failed"}


@dataclass(frozen=True, slots=True)
class Rules:
    """The pauses before each retry, and how long it may be overdue before a stop."""

    retries: Sequence[timedelta]
    grace: timedelta

    @property
    def first(self) -> timedelta:
        """The pause before the first retry."""
        return self.retries[0] if self.retries else timedelta(0)


@dataclass(frozen=True, slots=True)
class Debt:
    """An open invoice: what is left of it, and the state of its newest attempt."""

    invoice: int
    label: str
    due_at: datetime
    left: Decimal
    attempt: str | None


def owed(debts: Iterable[Debt]) -> Decimal:
    """What is left of them together."""
    return sum((debt.left for debt in debts), Decimal(0))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a payer at a moment; its open invoices, the oldest first.

    A method that was declined for good, or whose bank took a payment back, is `spent`.
    """

    now: datetime
    debts: Sequence[Debt] = ()
    method: int | None = None
    spent: bool = False
    held_until: datetime | None = None

    @property
    def concerned(self) -> list[Debt]:
        """What could not be charged as far as is known, or is past its due date."""
        return [
            debt
            for debt in self.debts
            if debt.due_at <= self.now or debt.attempt in {*IN_VAIN, UNRESOLVED}
        ]

    @property
    def chargeable(self) -> list[Debt]:
        """Those of them that nobody may have been charged for already."""
        return [debt for debt in self.concerned if debt.attempt != UNRESOLVED]

    @property
    def unresolved(self) -> bool:
        """Whether nothing can be charged before the outcome of a charge is known."""
        return bool(self.concerned) and not self.chargeable

    @property
    def overdue(self) -> list[Debt]:
        """What is past its due date."""
        return [debt for debt in self.debts if debt.due_at <= self.now]

    @property
    def usable(self) -> bool:
        """Whether there is a method to charge by."""
        return self.method is not None and not self.spent

    @property
    def resting(self) -> bool:
        """Nothing is done while staff hold it, or a charge is under way.

        One that was reported to staff is no longer waited for.
        """
        held = self.held_until is not None and self.held_until > self.now
        return held or any(debt.attempt in OPEN for debt in self.debts)


@dataclass(frozen=True, slots=True)
class Course:
    """Where a case stands; so many `retries` of the schedule were planned so far."""

    state: str = RETRYING
    retries: int = 0
    retry_at: datetime | None = None
    escalate_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """The course that follows, and the steps to record.

    `charges`: the oldest that is chargeable is charged.
    """

    course: Course
    steps: tuple[str, ...] = ()
    charges: bool = False


def begin_overdue(facts: Facts, rules: Rules) -> Move:
    """Something is past its due date and nobody tried to charge it in vain."""
    if facts.usable and not facts.unresolved:
        move = _scheduled(Course(), facts.now + rules.first)
    else:
        move = _escalated(Course(), facts, rules)
    return replace(move, steps=(STARTED, *move.steps))


def begin_failed(facts: Facts, rules: Rules) -> Move:
    """A charge came to nothing, and there is no case yet."""
    move = after_failure(Course(), facts, rules)
    return replace(move, steps=(STARTED, *move.steps))


def after_failure(course: Course, facts: Facts, rules: Rules) -> Move:
    """A charge was declined or failed; a retry that is planned already stays so."""
    if not facts.usable:
        return _without_method(course, facts, rules)
    if course.retry_at:
        return Move(course)
    if course.retries < len(rules.retries):
        return _scheduled(course, facts.now + rules.retries[course.retries])
    if course.state in EARLY and facts.overdue:
        return _escalated(course, facts, rules)
    return _without_method(course, facts, rules, exhausted=True)


def after_success(course: Course, facts: Facts) -> Move:
    """The method works: the next oldest at once."""
    return with_method(course, facts) if facts.usable else Move(course)


def with_method(course: Course, facts: Facts) -> Move:
    """A new method is tried at once, from the first retry on; it moves no deadline."""
    if facts.unresolved:
        return Move(replace(course, retries=0))
    state = RETRYING if course.state in EARLY else course.state
    return Move(replace(course, state=state, retries=0, retry_at=facts.now))


def after_unresolved(course: Course, facts: Facts, rules: Rules) -> Move:
    """Stop waiting for a charge whose unknown outcome was reported to staff.

    The next oldest invoice is charged in its turn, if there is one.
    """
    if not facts.unresolved:
        return after_failure(course, facts, rules)
    if course.escalate_at:
        return Move(course)
    return while_unresolved(course, facts, rules)


def while_unresolved(course: Course, facts: Facts, rules: Rules) -> Move:
    """Continue without charging while the outcome of an open charge is unknown.

    Overdue invoices are announced as overdue; others wait for their due date. Deadlines
    stay.
    """
    course = replace(course, retry_at=None)
    if course.state not in EARLY:
        return Move(course)
    if facts.overdue:
        return _escalated(course, facts, rules)
    escalate_at = course.escalate_at or facts.concerned[0].due_at
    return Move(replace(course, state=WAITING, escalate_at=escalate_at))


def after_payment(course: Course, facts: Facts, rules: Rules, *, paid: bool) -> Move:
    """Less is owed; `paid` says that nothing of the case's own invoice is."""
    if not facts.concerned:
        return ended()
    if course.state not in EARLY and not facts.overdue:
        fresh = _anew(facts, rules)
        steps = (LIFTED,) if course.state == SUSPENDED else ()
        return replace(fresh, steps=(*steps, *fresh.steps))
    if not paid:
        return Move(course)
    if course.state in EARLY:
        return _anew(facts, rules)
    course = replace(course, retries=0, retry_at=None)
    if facts.usable and not facts.unresolved:
        course = _scheduled(course, facts.now + rules.first).course
    return Move(course)


def when_due(course: Course, facts: Facts, rules: Rules) -> Move | None:
    """The step that is due now; none while it rests, or where none is."""
    if not facts.concerned:
        return ended()
    if course.state not in EARLY and not facts.overdue:
        return after_payment(course, facts, rules, paid=True)
    if facts.resting:
        return None
    if course.retry_at and course.retry_at <= facts.now:
        if facts.unresolved:
            return while_unresolved(course, facts, rules)
        if not facts.usable:
            return _without_method(course, facts, rules)
        return Move(replace(course, retry_at=None), (RETRIED,), charges=True)
    if course.escalate_at and course.escalate_at <= facts.now:
        return _next_stage(course, facts, rules)
    return None


def held(course: Course, until: datetime) -> Move:
    """Staff wait for a promise: who was suspended may dial until then."""
    if course.state != SUSPENDED:
        return Move(course, (HELD,))
    course = replace(course, state=OVERDUE, escalate_at=until)
    return Move(course, (LIFTED, HELD))


def ended() -> Move:
    """Nothing is overdue or failed any more."""
    return Move(Course(state=CLOSED), (ENDED,))


def _anew(facts: Facts, rules: Rules) -> Move:
    """From the first retry on, whatever was before."""
    if facts.unresolved:
        return while_unresolved(Course(), facts, rules)
    if facts.usable:
        return _scheduled(Course(), facts.now + rules.first)
    return _without_method(Course(), facts, rules)


def _scheduled(course: Course, at: datetime) -> Move:
    state = RETRYING if course.state in EARLY else course.state
    course = replace(course, state=state, retries=course.retries + 1, retry_at=at)
    return Move(course, (RETRY_SCHEDULED,))


def _next_stage(course: Course, facts: Facts, rules: Rules) -> Move:
    """Overdue, then suspended; what is not past its due date is waited for."""
    if not facts.overdue:
        return Move(replace(course, escalate_at=facts.concerned[0].due_at))
    if course.state in EARLY:
        return _escalated(course, facts, rules)
    stopped = replace(course, state=SUSPENDED, escalate_at=None)
    return Move(stopped, (NOW_SUSPENDED,))


def _escalated(course: Course, facts: Facts, rules: Rules) -> Move:
    until = facts.now + rules.grace
    return Move(replace(course, state=OVERDUE, escalate_at=until), (NOW_OVERDUE,))


def _without_method(
    course: Course, facts: Facts, rules: Rules, *, exhausted: bool = False
) -> Move:
    """Only another method, or money, helps; until the due date, and at least a while."""
    course = replace(course, retry_at=None)
    if course.state in EARLY:
        due = facts.concerned[0].due_at
        later = due if exhausted else max(due, facts.now + rules.first)
        escalate_at = course.escalate_at or later
        course = replace(course, state=WAITING, escalate_at=escalate_at)
    return Move(course, (METHOD_NEEDED,))
