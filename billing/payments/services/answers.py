"""What processors tell us: kept once as it came, answered at once, worked off later.

A processor may be asked again while an event is read; that is never in a transaction.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import F

from billing.money import money_text
from billing.payments.models import PaymentAttempt, PaymentProcessor, ProcessorEvent
from billing.payments.processors.port import (
    ChargeUpdate,
    DisputeUpdate,
    DoesNotFit,
    MethodUpdate,
    ProcessorUpdate,
    RefundUpdate,
    Unreachable,
)
from billing.payments.services.connecting import Connect, connect
from billing.payments.services.disputing import take_dispute
from billing.payments.services.methods import take_told_method
from billing.payments.services.outcomes import take_outcome
from billing.payments.services.returning import take_refund_told
from billing.payments.services.waiting import NotYet, suspend_event
from seats.errors import ReasonMissing, Refusal

State = ProcessorEvent.State
STUCK = [State.QUARANTINED, State.WAITING]  # people may decide about them
Read = Callable[[], Sequence[ProcessorUpdate]]
logger = logging.getLogger(__name__)


class SecretsUnreadable(Refusal):
    code = "secrets_unreadable"
    status = 503


class WebhookIdReused(Refusal):
    code = "webhook_id_reused"
    status = 409


class NotQuarantined(Refusal):
    code = "not_quarantined"


def store_event(
    *,
    processor: PaymentProcessor,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> None:
    """Keep what a processor told us; the same event again is the one that is kept.

    `headers` by names in lower case. Raises NotSigned, SecretsUnreadable, and
    WebhookIdReused for an id that is kept with other content: it is counted on the event
    that is kept, for staff.
    """
    try:
        sender = connect(processor)
        event_id = sender.verify_event(headers, body, now=now)
    except InvalidToken as error:
        raise SecretsUnreadable(
            "The signature cannot be checked right now. Send the event again later."
        ) from error
    keep_events(processor, [(event_id, body)], now=now)
    rows = ProcessorEvent.objects.filter(processor=processor, event_id=event_id)
    if sender.is_same_event(bytes(rows.get().body), body):
        return
    rows.update(conflicts=F("conflicts") + 1, conflict_body=body)
    raise WebhookIdReused(
        f"Event {event_id} was received with other content. Send it under a new id.",
        field="webhook-id",
    )


def keep_events(
    processor: PaymentProcessor, told: Iterable[tuple[str, bytes]], *, now: datetime
) -> None:
    """Keep bodies by their event ids, to be worked off; those that are kept stay."""
    ProcessorEvent.objects.bulk_create(
        [
            ProcessorEvent(
                processor=processor,
                event_id=event_id,
                body=body,
                received_at=now,
                due_at=now,
            )
            for event_id, body in told
        ],
        ignore_conflicts=True,
    )


def work_off_events(*, now: datetime, connect: Connect = connect) -> int:
    """Take what was told into our books, in whatever order it came; how many events.

    What does not fit is put into quarantine, and what is about a payment that is not
    known yet waits for it. Where the processor cannot be asked, or an error of ours is in
    the way, it is tried again later, and the others go on. Safe to run twice, and at
    once.
    """
    done = 0
    with ThreadPoolExecutor(settings.CHARGES["AT_ONCE"]) as pool:
        while claimed := _claim(now):
            reads = [pool.submit(_read, event, connect) for event in claimed]
            for event, read in zip(claimed, reads, strict=True):
                wait([read])  # here, so that nobody does in a transaction
                _work_off_alone(event, read.result, now)
            done += len(claimed)
    return done


def retry_events(*, events: list[ProcessorEvent], now: datetime) -> int:
    """Work off once more what is in quarantine or waits; how many.

    Raises NotQuarantined where none of them is.
    """
    rows = ProcessorEvent.objects.filter(pk__in=[one.pk for one in events])
    count = rows.filter(state__in=STUCK).update(
        state=State.RECEIVED, reason="", tries=0, due_at=now
    )
    if not count:
        raise NotQuarantined("None of them is in quarantine or waiting.")
    return count


def set_events_aside(
    *, events: Sequence[ProcessorEvent], reason: str, actor: str, now: datetime
) -> int:
    """Say that nothing is to be done about events in quarantine or waiting; how many.

    They stay as they came. Raises ReasonMissing, NotQuarantined.
    """
    if not reason.strip():
        raise ReasonMissing(
            "Enter a reason for setting the events aside.", field="reason"
        )
    rows = ProcessorEvent.objects.filter(pk__in=[one.pk for one in events])
    said = f"{now:%Y-%m-%d} {actor}: {reason}"[:200]
    count = rows.filter(state__in=STUCK).update(state=State.SET_ASIDE, reason=said)
    if not count:
        raise NotQuarantined("None of them is in quarantine or waiting.")
    return count


def _claim(now: datetime) -> list[ProcessorEvent]:
    """Events that are due, each counted before the work.

    What was tried before goes alone, so that an event that ends its process is not
    counted against the events beside it.
    """
    with transaction.atomic(durable=True):
        rows = ProcessorEvent.objects.select_for_update(
            of=("self",), no_key=True, skip_locked=True
        )
        due = rows.filter(state__in=ProcessorEvent.PENDING, due_at__lte=now)
        due = due.select_related("processor").order_by("tries", "pk")
        claimed = list(due.filter(tries=0)[: settings.CHARGES["EVENTS"]]) or list(
            due[:1]
        )
        ProcessorEvent.objects.filter(pk__in=[one.pk for one in claimed]).update(
            tries=F("tries") + 1, due_at=now + settings.CHARGES["LEASE"]
        )
    return claimed


def _read(event: ProcessorEvent, connect: Connect) -> Sequence[ProcessorUpdate]:
    """What an event says, unless reading it may be what every try ended with.

    Raises DoesNotFit, Unreachable, InvalidToken.
    """
    if event.tries >= settings.CHARGES["EVENT_TRIES"]:  # before this one
        raise DoesNotFit("crashed: every try ended without a result")
    return connect(event.processor).read_updates(bytes(event.body))


def _work_off_alone(event: ProcessorEvent, read: Read, now: datetime) -> None:
    """Work one off; where that fails it comes again, and holds up no other."""
    try:
        _work_off(event, read, now)
    except Exception:
        logger.exception("event %s of %s", event.event_id, event.processor)


def _work_off(claimed: ProcessorEvent, read: Read, now: datetime) -> None:
    with transaction.atomic(durable=True):
        event = ProcessorEvent.objects.select_for_update(no_key=True).get(pk=claimed.pk)
        if event.state not in ProcessorEvent.PENDING:
            return
        event.processor = claimed.processor
        try:
            with transaction.atomic():
                for fact in read():
                    _take(event, fact, now)
            event.state, event.reason = State.DONE, ""
        except NotYet as cause:
            suspend_event(event, cause, now=now)
        except Refusal as refusal:
            event.state, event.reason = State.QUARANTINED, refusal.message[:200]
        except (InvalidToken, Unreachable) as error:  # comes again until it is read
            event.tries -= 1
            event.reason = f"cannot be asked: {_why(error)}"[:200]
        event.save(
            update_fields=[
                "state",
                "reason",
                "attempt",
                "tries",
                "payment_reference",
                "due_at",
            ]
        )


def _why(error: InvalidToken | Unreachable) -> str:
    if isinstance(error, InvalidToken):
        return "our secret of it cannot be read with WEBHOOK_SECRETS_KEY"
    return str(error)


def _take(event: ProcessorEvent, fact: ProcessorUpdate, now: datetime) -> None:
    """Raises DoesNotFit, and what the services of facts raise."""
    match fact:
        case ChargeUpdate():
            _take_charge(event, fact, now)
        case RefundUpdate():
            take_refund_told(processor=event.processor, told=fact, now=now)
        case DisputeUpdate():
            take_dispute(processor=event.processor, told=fact, now=now)
        case MethodUpdate():
            take_told_method(processor=event.processor, told=fact, now=now)
        case _:
            raise DoesNotFit("Nothing is done with it here.")


def _take_charge(event: ProcessorEvent, told: ChargeUpdate, now: datetime) -> None:
    attempt = (
        PaymentAttempt.objects.select_related("invoice")
        .filter(public_id=told.key, processor=event.processor)
        .first()
    )
    if attempt is None:
        raise DoesNotFit("There is no such attempt at this processor.")
    event.attempt = attempt
    if (told.amount, told.currency) != (attempt.amount, attempt.currency):
        amount = money_text(attempt.amount, attempt.currency)
        raise DoesNotFit(f"The attempt is over {amount} {attempt.currency}.")
    take_outcome(attempt=attempt, outcome=told.outcome, now=now)
