"""Calls that move money at a processor: claim, call, record; charges and refunds alike.

A call is counted when it is claimed, in a commit of its own, and no transaction is open
during network calls. If a worker dies during a call, its lease expires; whether money
moved is then unknown, and is looked up before the attempt is sent again.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import Window
from django.db.models.functions import RowNumber

from billing.collection.models.base import Attempt
from billing.collection.services.recording import (
    AttemptRecorder,
    Contradiction,
    apply_outcome,
    next_lookup_at,
)
from billing.processors.domain.port import ProcessorOutcome
from billing.processors.models import PaymentProcessor
from core.errors import Refusal
from core.queue.models import QueueQuerySet

A = TypeVar("A", bound=Attempt)
Clock = Callable[[], datetime]
Connect = Callable[[PaymentProcessor], Any]
POLL_SECONDS = 0.5  # until attempts that came due meanwhile are claimed
ON_HOLD = "on hold: the document is being checked"
logger = logging.getLogger(__name__)


class AttemptCaller(AttemptRecorder[A], Protocol[A]):
    """What differs between calls for payment attempts and for refund attempts."""

    payer_path: ClassVar[str]  # from an attempt to its payer, for queries

    def rows_for_calls(self) -> QueueQuerySet[A]:
        """The attempts, with every related row selected that a call needs."""

    def cancel_reasons(self, attempts: Sequence[A]) -> Mapping[int, str]:
        """Why some of these unsent attempts must not be sent, by attempt id."""

    def on_hold(self, attempts: Sequence[A], now: datetime) -> AbstractSet[int]:
        """Ids of the attempts that may be looked up but not sent now."""

    def may_send(self, attempt: A) -> bool:
        """Whether an attempt may be sent, and not only looked up."""

    def look_up(
        self, processor: Any, attempt: A, at: datetime
    ) -> ProcessorOutcome | None:
        """Look up the outcome of an attempt at the processor; None if unavailable now."""

    def send(self, processor: Any, attempt: A, at: datetime) -> ProcessorOutcome:
        """Have the processor make the charge or refund."""


@dataclass(frozen=True, slots=True)
class ProcessorCall(Generic[A]):
    """A claimed call: it looks an attempt up, sends it, or looks up and then sends.

    An attempt on hold is only looked up; it is sent later if the processor has none.
    """

    caller: AttemptCaller[A]
    attempt: A
    looks_up: bool
    sends: bool
    on_hold: bool = False


def make_due_calls(caller: AttemptCaller[A], *, clock: Clock, connect: Connect) -> int:
    """Make the calls that are due, within the time of a sweep; return how many.

    Each processor gets an equal share of the concurrent calls, so one that hangs leaves
    room for the others. Safe to run twice, and concurrently.
    """
    limits = settings.CHARGES
    stop, made = clock() + limits["SWEEP"], 0
    running: dict[Future[ProcessorOutcome], ProcessorCall[A]] = {}
    with ThreadPoolExecutor(limits["AT_ONCE"]) as pool:
        while True:
            free = limits["AT_ONCE"] - len(running)
            if free and clock() < stop:
                busy = Counter(call.attempt.processor_id for call in running.values())
                for call in claim_calls(caller, now=clock(), limit=free, busy=busy):
                    running[pool.submit(make_call, call, connect, clock)] = call
            if not running:
                return made
            ended, _ = wait(running, POLL_SECONDS, FIRST_COMPLETED)
            for future in ended:
                call = running.pop(future)
                record_outcome(call=call, outcome=future.result(), now=clock())
                made += 1


def claim_calls(
    caller: AttemptCaller[A],
    *,
    now: datetime,
    limit: int,
    busy: Mapping[int, int] | None = None,
) -> list[ProcessorCall[A]]:
    """Lease attempts for a call and count the call; an empty list means none is due.

    `busy` is the number of calls in progress in this sweep, by processor id. Attempts
    that must not be sent any more are ended, and others claimed instead.
    """
    while True:
        with transaction.atomic(durable=True):
            ids = _next_ids(caller, now, limit, busy or {})
            rows = caller.rows_for_calls().filter(pk__in=ids)
            attempts = rows.order_by("next_attempt_at", "pk").lock_due(now=now)
            calls = _claim_all(caller, attempts, now)
        if calls or not attempts:
            return calls


def _next_ids(
    caller: AttemptCaller[A], now: datetime, limit: int, busy: Mapping[int, int]
) -> list[int]:
    """Ids of the attempts that are next, fairly among processors and payers.

    At most each processor's share, processors with the fewest calls in progress first, and
    one attempt of each payer before the second of any.
    """
    processors = list(PaymentProcessor.objects.values_list("pk", flat=True))
    share = max(1, settings.CHARGES["AT_ONCE"] // max(1, len(processors)))
    due = caller.rows().select_related(None).due(now)
    places: list[tuple[int, datetime, int]] = []
    for processor_id in processors:
        under_way = busy.get(processor_id, 0)
        room = min(limit, share - under_way)
        if room <= 0:
            continue
        turn = Window(
            RowNumber(),
            partition_by=caller.payer_path,
            order_by=["next_attempt_at", "pk"],
        )
        rows = due.filter(processor=processor_id).annotate(turn=turn)
        next_ones = rows.order_by("turn", "next_attempt_at", "pk")[:room]
        for place, attempt in enumerate(next_ones, start=under_way):
            places.append((place, attempt.next_attempt_at, attempt.pk))
    return [pk for _, _, pk in sorted(places)[:limit]]


def make_call(
    call: ProcessorCall[A], connect: Connect, clock: Clock
) -> ProcessorOutcome:
    """Look up, then send if allowed and still needed; makes no database query.

    A definite failure proves nothing about earlier calls of the attempt. An unexpected
    error makes the outcome unknown; other calls are recorded all the same.
    """
    try:
        return _call(call, connect, clock)
    except Exception as error:
        logger.exception("A processor call for %s raised an error.", call.attempt)
        return ProcessorOutcome(
            "unknown", reason=f"internal error: {type(error).__name__}"
        )


def _call(call: ProcessorCall[A], connect: Connect, clock: Clock) -> ProcessorOutcome:
    attempt = call.attempt
    try:
        processor = connect(attempt.processor)
    except InvalidToken:
        error = "internal error: the stored secret cannot be decrypted"
        return ProcessorOutcome("unknown" if call.looks_up else "failed", reason=error)
    current = None
    if call.looks_up:
        current = call.caller.look_up(processor, attempt, clock())
    if current and current.kind == "absent" and call.on_hold:
        return ProcessorOutcome("unknown", reason=ON_HOLD)
    if current and current.kind == "absent":
        current = (
            None if call.sends else ProcessorOutcome("failed", reason=current.reason)
        )
    if current or not call.sends:
        return current or ProcessorOutcome("unknown", reason=attempt.last_error)
    at = clock()
    if not attempt.is_leased(at):  # another worker may have claimed it by now
        return ProcessorOutcome(
            "unknown", reason="internal error: the call took longer than its lease"
        )
    outcome = call.caller.send(processor, attempt, at)
    if outcome.kind == "failed" and call.looks_up:
        return ProcessorOutcome("unknown", reason=outcome.reason)
    return outcome


def record_outcome(
    *, call: ProcessorCall[A], outcome: ProcessorOutcome, now: datetime
) -> None:
    """Record the outcome of a call; a late one counts only if it is a success.

    An outcome that contradicts our records is logged and the attempt stays open.
    """
    try:
        with transaction.atomic(durable=True):
            apply_outcome(call.caller, call.attempt, outcome, now=now, from_call=True)
    except Refusal as refusal:
        logger.error(
            "The outcome %r of %s was not recorded: %s",
            outcome.kind,
            call.attempt,
            refusal.message,
        )
        _keep_open(call, refusal, now)


def send_deadline(attempt: Attempt) -> datetime:
    """The instant after which no call is started that may move money."""
    first = attempt.first_sent_at or attempt.requested_at
    limits = settings.CHARGES
    return first + limits["RESEND_WITHIN"] + limits["LEASE"]  # type: ignore[no-any-return]


def _claim_all(
    caller: AttemptCaller[A], attempts: Sequence[A], now: datetime
) -> list[ProcessorCall[A]]:
    """Claim calls for locked attempts, except for those that must not be made."""
    held = caller.on_hold(attempts, now)
    new = [attempt for attempt in attempts if attempt.state == "created"]
    reasons = caller.cancel_reasons(new)
    for attempt in new:
        if attempt.pk in reasons:
            _cancel(caller, attempt, reasons[attempt.pk], now)
        elif attempt.pk in held:
            attempt.next_attempt_at = now + settings.CHARGES["HOLD_PAUSE"]
            attempt.last_error = ON_HOLD
            attempt.save(update_fields=["next_attempt_at", "last_error"])
    unsent = {
        attempt.pk for attempt in new if attempt.pk in reasons or attempt.pk in held
    }
    return [
        _claim(caller, attempt, now, on_hold=attempt.pk in held)
        for attempt in attempts
        if attempt.pk not in unsent
    ]


def _claim(
    caller: AttemptCaller[A], attempt: A, now: datetime, *, on_hold: bool
) -> ProcessorCall[A]:
    """Count a call of a locked attempt."""
    looks_up = attempt.state != "created"
    first = attempt.first_sent_at or now
    window = settings.CHARGES["RESEND_WITHIN"]
    may_send = not on_hold and caller.may_send(attempt)
    sends = may_send and attempt.state != "pending" and now < first + window
    attempt.begin_attempt(now=now, lease=settings.CHARGES["LEASE"], sends=sends)
    attempt.save(update_fields=attempt.claim_fields)
    return ProcessorCall(caller, attempt, looks_up, sends, on_hold)


def _cancel(caller: AttemptCaller[A], attempt: A, reason: str, now: datetime) -> None:
    """End an attempt that was never sent."""
    attempt.state, attempt.last_error, attempt.changed_at = "failed", reason, now
    attempt.save(update_fields=["state", "last_error", "changed_at"])
    caller.on_failure(attempt, now)


def _keep_open(call: ProcessorCall[A], refusal: Refusal, now: datetime) -> None:
    """Show staff the contradiction; an open attempt is looked up again later."""
    error = f"contradiction: {refusal.message}"[:200]
    fields: dict[str, Any] = {"last_error": error, "changed_at": now}
    if not isinstance(
        refusal, Contradiction
    ):  # it ended; looking it up changes nothing
        fields["next_attempt_at"] = next_lookup_at(call.attempt, now=now)
    call.caller.rows().filter(pk=call.attempt.pk).update(**fields)
