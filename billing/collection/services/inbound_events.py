"""Inbound processor events: stored once, acknowledged at once, processed later.

Reading an event may call the processor's API; that never happens in a transaction.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import F

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.methods import apply_method_update
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.services.refund_requests import apply_refund_update
from billing.collection.services.waiting_events import suspend_event
from billing.processors.domain.port import (
    ChargeUpdate,
    DisputeUpdate,
    DoesNotFit,
    MethodUpdate,
    ProcessorUpdate,
    RefundUpdate,
    Unreachable,
)
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import Connect, connect
from billing.receivables.services.refusals import AwaitingPayment
from core.errors import Kind, ReasonMissing, Refusal
from core.money import money_label, plain

State = ProcessorEvent.State
DECIDABLE = [State.QUARANTINED, State.WAITING]  # staff may retry or set aside
NONE_DECIDABLE = "None of the selected events is quarantined or waiting."
ReadUpdates = Callable[[], Sequence[ProcessorUpdate]]
logger = logging.getLogger(__name__)


class SecretsUnreadable(Refusal):
    """The signature cannot be verified because the stored secrets cannot be decrypted.

    Send the event again later; staff must restore WEBHOOK_SECRETS_KEY.
    """

    code = "secrets_unreadable"
    kind = Kind.UNAVAILABLE


class WebhookIdReused(Refusal):
    """An event with the same `webhook-id` was already received with other content.

    Send the new content under a new id.
    """

    code = "webhook_id_reused"
    kind = Kind.CONFLICT


class NotQuarantined(Refusal):
    """None of the processor events is quarantined or waiting.

    Reload the page, and select only quarantined or waiting events.
    """

    code = "not_quarantined"


def receive_event(
    *,
    processor: PaymentProcessor,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> None:
    """Verify and store an event that a processor sent. Repeating is harmless.

    Names of `headers` are lower case. Raises NotSigned, SecretsUnreadable, and
    WebhookIdReused if the id is already stored with different content: that is counted
    on the stored event, for staff.
    """
    try:
        sender = connect(processor)
        event_id = sender.verify_event(headers, body, now=now)
    except InvalidToken as error:
        raise SecretsUnreadable(
            "The signature cannot be verified right now. Send the event again later."
        ) from error
    store_events(processor, [(event_id, body)], now=now)
    rows = ProcessorEvent.objects.filter(processor=processor, event_id=event_id)
    if sender.is_same_event(bytes(rows.get().body), body):
        return
    rows.update(conflicts=F("conflicts") + 1, conflict_body=body)
    raise WebhookIdReused(
        f"Event `{event_id}` was already received with different content."
        " Send the new content under a new id.",
        field="webhook-id",
    )


def store_events(
    processor: PaymentProcessor, events: Iterable[tuple[str, bytes]], *, now: datetime
) -> None:
    """Store (event id, body) pairs for processing; ids already stored are skipped."""
    ProcessorEvent.objects.bulk_create(
        [
            ProcessorEvent(
                processor=processor,
                event_id=event_id,
                body=body,
                received_at=now,
                next_attempt_at=now,
            )
            for event_id, body in events
        ],
        ignore_conflicts=True,
    )


def process_events(*, now: datetime, connect: Connect = connect) -> int:
    """Apply the stored events that are due, in any order; return how many were tried.

    An event that contradicts our records is quarantined; one about a payment that is
    not recorded yet waits for it. If the processor cannot be reached, or processing
    raises an unexpected error, the event is retried later and the others go on. Safe
    to run twice, and concurrently.
    """
    done = _quarantine_exhausted(now)
    with ThreadPoolExecutor(settings.CHARGES["AT_ONCE"]) as pool:
        while claimed := _claim(now):
            reads = [pool.submit(_read, event, connect) for event in claimed]
            for event, read in zip(claimed, reads, strict=True):
                wait([read])  # here, so that no transaction waits for the network
                _process_in_isolation(event, read.result, now)
            done += len(claimed)
    return done


def retry_events(*, events: list[ProcessorEvent], now: datetime) -> int:
    """Process quarantined and waiting events again; return how many.

    Events in other states are left alone. Raises NotQuarantined if none qualifies.
    """
    rows = ProcessorEvent.objects.filter(pk__in=[event.pk for event in events])
    count = rows.filter(state__in=DECIDABLE).requeue(now=now)
    if not count:
        raise NotQuarantined(NONE_DECIDABLE)
    return count


def set_events_aside(
    *, events: Sequence[ProcessorEvent], reason: str, actor: str, now: datetime
) -> int:
    """Mark quarantined and waiting events as needing no action; return how many.

    Their content is kept. Raises ReasonMissing, and NotQuarantined if none qualifies.
    """
    if not reason.strip():
        raise ReasonMissing(
            "Enter a reason for setting the events aside.", field="reason"
        )
    rows = ProcessorEvent.objects.filter(pk__in=[event.pk for event in events])
    note = f"{now:%Y-%m-%d} {actor}: {reason}"[:200]
    count = rows.filter(state__in=DECIDABLE).finish(State.SET_ASIDE, reason=note)
    if not count:
        raise NotQuarantined(NONE_DECIDABLE)
    return count


def _claim(now: datetime) -> list[ProcessorEvent]:
    """Claim events that are due; one that was attempted before is claimed alone."""
    rows = ProcessorEvent.objects.select_related("processor")
    with transaction.atomic(durable=True):
        return rows.order_by("attempts", "pk").claim(
            now=now,
            lease=settings.CHARGES["LEASE"],
            limit=settings.CHARGES["EVENTS"],
            retry_limits=[1],
        )


def _quarantine_exhausted(now: datetime) -> int:
    """Quarantine due events whose every attempt crashed; return how many."""
    with transaction.atomic(durable=True):
        events = ProcessorEvent.objects.park_exhausted(
            State.QUARANTINED,
            now=now,
            most=settings.CHARGES["EVENT_TRIES"],
            last_error="crashed: every attempt ended without a result",
        )
    return len(events)


def _read(event: ProcessorEvent, connect: Connect) -> Sequence[ProcessorUpdate]:
    """The updates in an event. Raises DoesNotFit, Unreachable, InvalidToken."""
    return connect(event.processor).read_updates(bytes(event.body))


def _process_in_isolation(
    event: ProcessorEvent, read_updates: ReadUpdates, now: datetime
) -> None:
    """Process one event; an unexpected error is logged and the event retried later."""
    try:
        _process(event, read_updates, now)
    except Exception:
        logger.exception(
            "Event %s of processor %s could not be processed; it will be retried.",
            event.event_id,
            event.processor,
        )


def _process(claimed: ProcessorEvent, read_updates: ReadUpdates, now: datetime) -> None:
    with transaction.atomic(durable=True):
        event = ProcessorEvent.objects.select_for_update(no_key=True).get(pk=claimed.pk)
        if event.state not in ProcessorEvent.queue.unfinished:
            return
        event.processor = claimed.processor
        try:
            with transaction.atomic():
                for update in read_updates():
                    _apply_update(event, update, now)
            event.state, event.last_error = State.DONE, ""
        except AwaitingPayment as cause:
            suspend_event(event, cause, now=now)
        except Refusal as refusal:
            event.state, event.last_error = State.QUARANTINED, refusal.message[:200]
        except (InvalidToken, Unreachable) as error:  # retried until it can be read
            event.attempts = max(0, event.attempts - 1)
            event.next_attempt_at = now + settings.CHARGES["LEASE"]
            event.last_error = f"cannot be read: {_describe_error(error)}"[:200]
        event.leased_until = None
        event.save(
            update_fields=[
                *event.claim_fields,
                "last_error",
                "attempt",
                "payment_reference",
                "next_attempt_at",
            ]
        )


def _describe_error(error: InvalidToken | Unreachable) -> str:
    if isinstance(error, InvalidToken):
        return "its stored secret cannot be decrypted with WEBHOOK_SECRETS_KEY"
    return str(error)


def _apply_update(
    event: ProcessorEvent, update: ProcessorUpdate, now: datetime
) -> None:
    """Apply one update of an event. Raises DoesNotFit, and what its service raises."""
    match update:
        case ChargeUpdate():
            _apply_charge_update(event, update, now)
        case RefundUpdate():
            apply_refund_update(processor=event.processor, update=update, now=now)
        case DisputeUpdate():
            apply_dispute_update(processor=event.processor, update=update, now=now)
        case MethodUpdate():
            apply_method_update(processor=event.processor, update=update, now=now)
        case _:
            raise DoesNotFit("This type of update is not supported.")


def _apply_charge_update(
    event: ProcessorEvent, update: ChargeUpdate, now: datetime
) -> None:
    attempt = (
        PaymentAttempt.objects.select_related("invoice")
        .filter(public_id=update.key, processor=event.processor)
        .first()
    )
    if attempt is None:
        raise DoesNotFit(f"Processor {event.processor} has no attempt {update.key}.")
    event.attempt = attempt
    if (update.amount, update.currency) != (attempt.amount, attempt.currency):
        raise DoesNotFit(
            f"{attempt} is over {money_label(attempt.amount, attempt.currency)}, but the"
            f" event reports {plain(update.amount)} {update.currency}."
        )
    apply_charge_outcome(attempt=attempt, outcome=update.outcome, now=now)
