"""Reporting to staff: attempts with an unknown outcome, and unprocessed events.

Each row is reported once, by an event and an email, and stays in the admin's lists until
staff or the processor ends it. A reported payment attempt no longer delays dunning.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet

from billing.collection.domain.webhook_events import (
    PaymentUnresolved,
    ProcessorEventUnresolved,
    RefundUnresolved,
)
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.refunds import RefundAttempt
from billing.collection.signals import attempt_unresolved
from billing.invoicing.services.issuing import lock_accounts
from billing.mail.services.outbox import queue_staff_mail
from billing.webhooks.services.outbox import PLATFORM, publish
from core.money import money_text

AT_ONCE = 100  # rows of each kind in one email
State = ProcessorEvent.State


def report_unresolved(*, now: datetime) -> int:
    """Report to staff, once, what has been open for too long; return how many rows.

    These are payment and refund attempts that are unknown or pending for longer than
    CHARGES["UNKNOWN_LIMIT"] or CHARGES["PENDING_LIMIT"], events not processed within
    CHARGES["EVENT_LIMIT"], and quarantined events. `attempt_unresolved` is sent in the
    same transaction. Safe to run twice, and concurrently.
    """
    count = 0
    while reported := _report_some(now):
        count += reported
    return count


def _report_some(now: datetime) -> int:
    charge_ids = _ids(_overdue(PaymentAttempt.objects.all(), now))
    refund_ids = _ids(_overdue(RefundAttempt.objects.all(), now))
    with transaction.atomic(durable=True):
        charges, refunds = _locked(charge_ids, refund_ids, now)
        events = _locked_events(now)
        if not (charges or refunds or events):
            return 0
        for rows in (charges, refunds, events):
            for row in rows:
                row.reported_at = now
                row.save(update_fields=["reported_at"])
        publish(
            *map(_charge_event, charges),
            *map(_refund_event, refunds),
            *map(_inbound_event, events),
            now=now,
        )
        queue_staff_mail(
            template="payments_unresolved",
            context=_context(charges, refunds, events),
            subject_key=f"unresolved:{now.isoformat()}",
            now=now,
        )
        for charge in charges:
            attempt_unresolved.send(PaymentAttempt, attempt=charge, now=now)
    return len(charges) + len(refunds) + len(events)


def _overdue(rows: QuerySet[Any], now: datetime) -> QuerySet[Any]:
    limits = settings.CHARGES
    unknown = Q(state="unknown", first_sent_at__lte=now - limits["UNKNOWN_LIMIT"])
    pending = Q(state="pending", first_sent_at__lte=now - limits["PENDING_LIMIT"])
    return rows.filter(unknown | pending, reported_at=None)


def _ids(rows: QuerySet[Any]) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:AT_ONCE])


def _locked(
    charge_ids: Sequence[int], refund_ids: Sequence[int], now: datetime
) -> tuple[list[PaymentAttempt], list[RefundAttempt]]:
    """Lock the payers, then the attempts that are still to be reported."""
    charges = PaymentAttempt.objects.select_related("invoice__payer", "processor")
    refunds = RefundAttempt.objects.select_related("payment__payer", "processor")
    charges, refunds = (
        charges.filter(pk__in=charge_ids),
        refunds.filter(pk__in=refund_ids),
    )
    payers = {row.invoice.payer_id for row in charges} | {
        row.payment.payer_id for row in refunds
    }
    lock_accounts(sorted(payers))
    locked = [
        list(_overdue(rows, now).select_for_update(of=("self",), no_key=True))
        for rows in (charges.all(), refunds.all())
    ]
    return locked[0], locked[1]


def _locked_events(now: datetime) -> list[ProcessorEvent]:
    limit = now - settings.CHARGES["EVENT_LIMIT"]
    late = Q(state__in=ProcessorEvent.queue.unfinished, received_at__lte=limit)
    rows = ProcessorEvent.objects.filter(
        late | Q(state=State.QUARANTINED), reported_at=None
    )
    locked = rows.select_for_update(of=("self",), no_key=True, skip_locked=True)
    return list(locked.select_related("processor").order_by("pk")[:AT_ONCE])


def _charge_event(attempt: PaymentAttempt) -> PaymentUnresolved:
    assert attempt.first_sent_at
    return PaymentUnresolved(
        agency_id=PLATFORM,
        subject=f"payment_attempt:{attempt.public_id}",
        id=attempt.public_id,
        invoice=attempt.invoice.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        state=attempt.state,
        sent_at=attempt.first_sent_at,
    )


def _refund_event(attempt: RefundAttempt) -> RefundUnresolved:
    assert attempt.first_sent_at
    return RefundUnresolved(
        agency_id=PLATFORM,
        subject=f"refund:{attempt.public_id}",
        id=attempt.public_id,
        payment=attempt.payment.public_id,
        amount=attempt.amount,
        currency=attempt.currency,
        processor=attempt.processor.code,
        state=attempt.state,
        sent_at=attempt.first_sent_at,
    )


def _inbound_event(event: ProcessorEvent) -> ProcessorEventUnresolved:
    return ProcessorEventUnresolved(
        agency_id=PLATFORM,
        subject=f"processor_event:{event.pk}",
        processor=event.processor.code,
        event=event.event_id,
        state=event.state,
        payment=event.payment_reference or None,
        received_at=event.received_at,
        reason=event.last_error,
    )


def _context(
    charges: Iterable[PaymentAttempt],
    refunds: Iterable[RefundAttempt],
    events: Sequence[ProcessorEvent],
) -> dict[str, Any]:
    attempts = [
        *(("charge", attempt, attempt.invoice.label) for attempt in charges),
        *(("refund", attempt, str(attempt.payment)) for attempt in refunds),
    ]
    return {
        "attempts": [
            {
                "kind": kind,
                "about": about,
                "amount": money_text(attempt.amount, attempt.currency),
                "currency": attempt.currency,
                "processor": attempt.processor.code,
                "state": attempt.state,
                "sent_at": attempt.first_sent_at,
            }
            for kind, attempt, about in attempts
        ],
        "events": events,
        "count": len(attempts) + len(events),
    }
