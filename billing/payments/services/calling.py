"""Calls that move money at a processor: claim, call, record; charges and refunds alike.

A call is counted when it is claimed, in a commit of its own, and the network is never in
a transaction. Whoever dies with a call leaves a lease that ends; then it is unknown
whether money was moved, and that is looked up before it is sent again.
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
from django.db.models import QuerySet, Window
from django.db.models.functions import RowNumber

from billing.payments.attempts import Attempt
from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import ProcessorOutcome
from billing.payments.services.recording import Contradiction, Records, pause_of, record
from seats.errors import Refusal

A = TypeVar("A", bound=Attempt)
Clock = Callable[[], datetime]
Connect = Callable[[PaymentProcessor], Any]
LOOK_AGAIN = 0.5  # seconds until what came due meanwhile is taken up
ON_HOLD = "on hold: the document is being checked"
logger = logging.getLogger(__name__)


class Calls(Records[A], Protocol[A]):
    """What differs between the calls of charges and of refunds."""

    payer_path: ClassVar[str]  # from an attempt to its payer, for queries

    def due(self) -> QuerySet[A]:
        """The attempts, with all at hand that a call needs."""

    def pointless(self, attempts: Sequence[A]) -> Mapping[int, str]:
        """Which of those that were never sent are not to be, by id, and why."""

    def on_hold(self, attempts: Sequence[A], now: datetime) -> AbstractSet[int]:
        """The ids of those that wait: asked about if sent before, but not sent."""

    def may_send(self, attempt: A) -> bool:
        """Whether it may be sent, and not only asked about."""

    def look_up(
        self, processor: Any, attempt: A, at: datetime
    ) -> ProcessorOutcome | None:
        """Ask a processor what became of it."""

    def send(self, processor: Any, attempt: A, at: datetime) -> ProcessorOutcome:
        """Have a processor do it."""


@dataclass(frozen=True, slots=True)
class Call(Generic[A]):
    """What was claimed: to ask first, to send, or both.

    One on hold is only asked about; what the processor has not got is sent later.
    """

    of: Calls[A]
    attempt: A
    asks: bool
    sends: bool
    on_hold: bool = False


def call_due(of: Calls[A], *, clock: Clock, connect: Connect) -> int:
    """Make the calls that are due until none is, or the sweep's time is over; how many.

    Of the calls at once each processor has an equal share, so one that hangs leaves room
    for the others. Safe to run twice, and at once.
    """
    limits = settings.CHARGES
    stop, made = clock() + limits["SWEEP"], 0
    flying: dict[Future[ProcessorOutcome], Call[A]] = {}
    with ThreadPoolExecutor(limits["AT_ONCE"]) as pool:
        while True:
            free = limits["AT_ONCE"] - len(flying)
            if free and clock() < stop:
                busy = Counter(call.attempt.processor_id for call in flying.values())
                for call in claim_calls(of, now=clock(), limit=free, busy=busy):
                    flying[pool.submit(make_call, call, connect, clock)] = call
            if not flying:
                return made
            ended, _ = wait(flying, LOOK_AGAIN, FIRST_COMPLETED)
            for future in ended:
                call = flying.pop(future)
                record_outcome(call=call, outcome=future.result(), now=clock())
                made += 1


def claim_calls(
    of: Calls[A], *, now: datetime, limit: int, busy: Mapping[int, int] | None = None
) -> list[Call[A]]:
    """Take attempts for a call, and count the call before it is made; none: no more.

    `busy` says how many calls each processor (by id) has under way in this sweep. Those
    that are not to be made any more are ended, and others taken instead.
    """
    while True:
        with transaction.atomic(durable=True):
            ids = _in_turn(of, now, limit, busy or {})
            rows = of.due().select_for_update(
                of=("self",), no_key=True, skip_locked=True
            )
            due = rows.filter(pk__in=ids, state__in=Attempt.OPEN, due_at__lte=now)
            attempts = list(due.order_by("due_at", "pk"))
            calls = _claimed(of, attempts, now)
        if calls or not attempts:
            return calls


def _in_turn(
    of: Calls[A], now: datetime, limit: int, busy: Mapping[int, int]
) -> list[int]:
    """The attempts that are next: at most its share of each processor, those with the
    fewest calls under way first; and of each payer one before the second of any."""
    processors = list(PaymentProcessor.objects.values_list("pk", flat=True))
    share = max(1, settings.CHARGES["AT_ONCE"] // max(1, len(processors)))
    due = of.rows().select_related(None).filter(state__in=Attempt.OPEN, due_at__lte=now)
    places: list[tuple[int, datetime, int]] = []
    for processor_id in processors:
        under_way = busy.get(processor_id, 0)
        room = min(limit, share - under_way)
        if room <= 0:
            continue
        turn = Window(
            RowNumber(), partition_by=of.payer_path, order_by=["due_at", "pk"]
        )
        rows = due.filter(processor=processor_id).annotate(turn=turn)
        next_ones = rows.order_by("turn", "due_at", "pk")[:room]
        for place, attempt in enumerate(next_ones, start=under_way):
            places.append((place, attempt.due_at, attempt.pk))
    return [pk for _, _, pk in sorted(places)[:limit]]


def make_call(call: Call[A], connect: Connect, clock: Clock) -> ProcessorOutcome:
    """Ask, and send if that is allowed and says nothing; asks no database.

    What failed for certain says nothing of calls that were made before. After an error
    of ours the outcome is unknown, and the calls beside it are recorded all the same.
    """
    try:
        return _call(call, connect, clock)
    except Exception as error:
        logger.exception("%s", call.attempt)
        return ProcessorOutcome("unknown", reason=f"ours: {type(error).__name__}")


def _call(call: Call[A], connect: Connect, clock: Clock) -> ProcessorOutcome:
    attempt = call.attempt
    try:
        processor = connect(attempt.processor)
    except InvalidToken:
        error = "ours: the secret cannot be read with our keys"
        return ProcessorOutcome("unknown" if call.asks else "failed", reason=error)
    known = call.of.look_up(processor, attempt, clock()) if call.asks else None
    if known and known.kind == "absent" and call.on_hold:
        return ProcessorOutcome("unknown", reason=ON_HOLD)
    if known and known.kind == "absent":
        known = None if call.sends else ProcessorOutcome("failed", reason=known.reason)
    if known or not call.sends:
        return known or ProcessorOutcome("unknown", reason=attempt.error)
    at = clock()
    if at >= attempt.due_at:  # somebody else may be at it by now
        return ProcessorOutcome("unknown", reason="ours: it took longer than its lease")
    outcome = call.of.send(processor, attempt, at)
    if outcome.kind == "failed" and call.asks:
        return ProcessorOutcome("unknown", reason=outcome.reason)
    return outcome


def record_outcome(*, call: Call[A], outcome: ProcessorOutcome, now: datetime) -> None:
    """Keep what came of a call, unless it is late, says no success, and others call."""
    try:
        with transaction.atomic(durable=True):
            record(call.of, call.attempt, outcome, now=now, of_call=True)
    except Refusal as refusal:
        logger.error("%s: %s %s", call.attempt, outcome.kind, refusal.message)
        _keep_open(call, refusal, now)


def sent_until(attempt: Attempt) -> datetime:
    """After this no call is begun that may move money."""
    first = attempt.first_sent_at or attempt.requested_at
    chosen = settings.CHARGES
    return first + chosen["RESEND_WITHIN"] + chosen["LEASE"]  # type: ignore[no-any-return]


def _claimed(of: Calls[A], attempts: Sequence[A], now: datetime) -> list[Call[A]]:
    """The calls of locked attempts, without those that are not to be made."""
    held = of.on_hold(attempts, now)
    new = [attempt for attempt in attempts if attempt.state == "created"]
    pointless = of.pointless(new)
    for attempt in new:
        if attempt.pk in pointless:
            _give_up(of, attempt, pointless[attempt.pk], now)
        elif attempt.pk in held:
            attempt.due_at, attempt.error = (
                now + settings.CHARGES["HOLD_PAUSE"],
                ON_HOLD,
            )
            attempt.save(update_fields=["due_at", "error"])
    unsent = {
        attempt.pk for attempt in new if attempt.pk in pointless or attempt.pk in held
    }
    return [
        _claim(of, attempt, now, on_hold=attempt.pk in held)
        for attempt in attempts
        if attempt.pk not in unsent
    ]


def _claim(of: Calls[A], attempt: A, now: datetime, *, on_hold: bool) -> Call[A]:
    """Count a call of a locked attempt."""
    asks = attempt.state != "created"
    if attempt.state in {"created", "sent"}:
        attempt.changed_at = now
        attempt.state = "unknown" if asks else "sent"
        attempt.error = "crashed: the call ended without a result" if asks else ""
    first = attempt.first_sent_at or now
    window = settings.CHARGES["RESEND_WITHIN"]
    may = not on_hold and of.may_send(attempt)
    sends = may and attempt.state != "pending" and now < first + window
    attempt.first_sent_at = first
    attempt.lookups += asks
    attempt.sends += sends
    attempt.due_at = now + settings.CHARGES["LEASE"]
    attempt.save(
        update_fields=[
            "state", "error", "changed_at", "first_sent_at", "lookups", "sends",
            "due_at",
        ]
    )  # fmt: skip
    return Call(of, attempt, asks, sends, on_hold)


def _give_up(of: Calls[A], attempt: A, reason: str, now: datetime) -> None:
    """Nothing was sent, and nothing will be."""
    attempt.state, attempt.error, attempt.changed_at = "failed", reason, now
    attempt.save(update_fields=["state", "error", "changed_at"])
    of.failed(attempt, now)


def _keep_open(call: Call[A], refusal: Refusal, now: datetime) -> None:
    """People see what does not fit; an open attempt is asked about again."""
    fields = {"error": f"does not fit: {refusal.message}"[:200], "changed_at": now}
    if not isinstance(refusal, Contradiction):
        fields["due_at"] = pause_of(call.attempt, now=now)
    call.of.rows().filter(pk=call.attempt.pk).update(**fields)
