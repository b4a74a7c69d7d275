"""What processors tell us: kept once as it came, answered at once, worked off later."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal
from uuid import UUID

import msgspec
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import F

from billing.payments.models import PaymentAttempt, PaymentProcessor, ProcessorEvent
from billing.payments.processors.port import Outcome
from billing.payments.services.outcomes import take_outcome
from billing.webhooks.signing import is_signed, unseal
from seats.errors import Refusal

LONGEST_ID = 200
CHUNK = 100
State = ProcessorEvent.State


class NotSigned(Refusal):
    code = "not_signed"
    status = 400


class DoesNotFit(Refusal):
    code = "does_not_fit"


class NotQuarantined(Refusal):
    code = "not_quarantined"


class Told(msgspec.Struct):
    """`reference` is the processor's id of a payment; `hard`: never ask again."""

    attempt: UUID
    amount: str
    currency: str
    reference: str = ""
    reason: str = ""
    hard: bool = False


class Answer(msgspec.Struct):
    type: Literal[
        "payment.pending", "payment.succeeded", "payment.declined", "payment.failed"
    ]
    data: Told


def store_event(
    *,
    processor: PaymentProcessor,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
) -> None:
    """Keep what a processor told us; the same event again is the one that is kept.

    `headers` by names in lower case. Raises NotSigned.
    """
    try:
        secret = unseal(processor.sealed_receiving, settings.WEBHOOKS["SECRETS_KEYS"])
    except InvalidToken as error:
        raise NotSigned("The signature cannot be checked.") from error
    event_id = headers.get("webhook-id", "")
    if (
        len(event_id) > LONGEST_ID
        or not event_id.isprintable()
        or not is_signed(headers, body, secret=secret, now=now)
    ):
        raise NotSigned("No signature of the processor, or not of these minutes.")
    ProcessorEvent.objects.bulk_create(
        [
            ProcessorEvent(
                processor=processor,
                event_id=event_id,
                body=body,
                received_at=now,
                due_at=now,
            )
        ],
        ignore_conflicts=True,
    )


def work_off_events(*, now: datetime) -> int:
    """Take what was told into our books, in whatever order it came; how many events.

    What does not fit is put into quarantine. Safe to run twice, and at once.
    """
    done = 0
    while claimed := _claim(now):
        for pk in claimed:
            _work_off(pk, now)
        done += len(claimed)
    return done


def retry_events(*, events: list[ProcessorEvent], now: datetime) -> int:
    """Work quarantined events off once more; how many. Raises NotQuarantined."""
    rows = ProcessorEvent.objects.filter(pk__in=[one.pk for one in events])
    count = rows.filter(state=State.QUARANTINED).update(
        state=State.RECEIVED, reason="", tries=0, due_at=now
    )
    if not count:
        raise NotQuarantined("None of them is in quarantine.")
    return count


def _claim(now: datetime) -> list[int]:
    """Events that are due, each counted before the work."""
    with transaction.atomic(durable=True):
        rows = ProcessorEvent.objects.select_for_update(no_key=True, skip_locked=True)
        due = rows.filter(state=State.RECEIVED, due_at__lte=now).order_by("pk")
        ids = list(due.values_list("pk", flat=True)[:CHUNK])
        ProcessorEvent.objects.filter(pk__in=ids).update(
            tries=F("tries") + 1, due_at=now + settings.CHARGES["LEASE"]
        )
    return ids


def _work_off(pk: int, now: datetime) -> None:
    with transaction.atomic(durable=True):
        event = ProcessorEvent.objects.select_for_update(
            of=("self",), no_key=True
        ).select_related("processor").get(pk=pk)  # fmt: skip
        if event.state != State.RECEIVED:
            return
        try:
            if event.tries > settings.CHARGES["EVENT_TRIES"]:
                raise DoesNotFit("crashed: every try ended without a result")
            with transaction.atomic():
                _take(event, now)
            event.state = State.DONE
        except Refusal as refusal:
            event.state, event.reason = State.QUARANTINED, refusal.message[:200]
        event.save(update_fields=["state", "reason", "attempt"])


def _take(event: ProcessorEvent, now: datetime) -> None:
    """Raises DoesNotFit, and what take_outcome raises."""
    try:
        answer = msgspec.json.decode(bytes(event.body), type=Answer)
        amount = Decimal(answer.data.amount)
    except (msgspec.DecodeError, RecursionError, InvalidOperation) as error:
        raise DoesNotFit("It cannot be read.") from error
    if not amount.is_finite():
        raise DoesNotFit("It is over no amount.")
    told = answer.data
    attempt = (
        PaymentAttempt.objects.select_related("invoice")
        .filter(public_id=told.attempt, processor=event.processor)
        .first()
    )
    if attempt is None:
        raise DoesNotFit("There is no such attempt at this processor.")
    event.attempt = attempt
    if (amount, told.currency) != (attempt.amount, attempt.currency):
        raise DoesNotFit(f"The attempt is over {attempt.amount} {attempt.currency}.")
    take_outcome(attempt=attempt, outcome=_outcome(answer), now=now)


def _outcome(answer: Answer) -> Outcome:
    told = answer.data
    reason = told.reason.replace("\0", "\ufffd")
    if answer.type == "payment.succeeded":
        return Outcome("succeeded", told.reference, reason)
    if answer.type == "payment.failed":
        return Outcome("failed", reason=reason)
    if answer.type == "payment.pending":
        return Outcome("pending", reason=reason)
    return Outcome("declined_hard" if told.hard else "declined_soft", reason=reason)
