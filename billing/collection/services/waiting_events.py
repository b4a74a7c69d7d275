"""Processor events about a payment that is not recorded yet, or whose money is withheld.

Such an event waits on its row. Recording the payment, or a change of one of its disputes,
makes it due in the same transaction; without that it is retried at growing intervals.
"""

from datetime import datetime, timedelta

from billing.collection.models.inbound_events import ProcessorEvent
from billing.receivables.services.refusals import AwaitingPayment

SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)


def suspend_event(
    event: ProcessorEvent, cause: AwaitingPayment, *, now: datetime
) -> None:
    """Make a locked event wait for its payment; the caller saves it.

    The older the event, the longer the pause before the retry: from a minute to an hour.
    """
    event.state = ProcessorEvent.State.WAITING
    event.last_error = cause.message[:200]
    event.payment_reference = cause.payment
    event.attempts = 0
    age = now - event.received_at
    event.next_attempt_at = now + min(max(age, SHORTEST_PAUSE), LONGEST_PAUSE)


def release_events(*, processor: str, payment: str, now: datetime) -> None:
    """Make the events due that wait for this payment of a processor.

    Must be called in the transaction that changes the payment or its disputes. An event
    that is being processed right now is skipped: it may hold locks that this transaction
    needs, and is retried within a minute anyway.
    """
    rows = ProcessorEvent.objects.select_for_update(
        of=("self",), no_key=True, skip_locked=True
    )
    waiting = rows.filter(
        processor__code=processor,
        payment_reference=payment,
        state=ProcessorEvent.State.WAITING,
    )
    ids = list(waiting.values_list("pk", flat=True))
    if ids:
        ProcessorEvent.objects.filter(pk__in=ids).update(
            next_attempt_at=now, leased_until=None
        )
