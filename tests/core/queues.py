"""Two due rows of each queue, and how each queue ends what it cannot do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.inbound_events import process_events, store_events
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.closing import close_due
from billing.mail.models import Mail
from billing.mail.services.sending import send_due
from billing.metering.models import UsageImport
from billing.metering.services.imports import MOST_ATTEMPTS, resume_next_import
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.receivables.services.payments import receive_payment
from billing.rendering.models import DocumentFile
from billing.rendering.services.files import claim_files
from billing.webhooks.models import Delivery
from billing.webhooks.services.deliveries import MAX_TRIES, deliver_due
from billing.webhooks.services.fanout import fan_out_due
from core.queue.models import QueueItem
from tests.billing.webhooks.endpoints import announce, make_endpoint
from tests.build import MARCH, MAY_2, bill, make_agency, make_prices, make_seats

Changes = Mapping[str, Any]
NOW = MAY_2
LEASE = timedelta(seconds=30)


@dataclass(frozen=True)
class QueueCase:
    """How tests make two due rows, and end one.

    `exhausted` gives the changes of a row whose attempts are used up; `sweep` then moves
    it to `parked`. A queue without `parked` never gives up, and its sweep claims the row.
    """

    make: Callable[[], None]
    finished: str
    sweep: Callable[[], object]
    exhausted: Callable[[], Changes]
    parked: str = ""
    finishing: Changes = field(default_factory=dict)


def _clock():
    return NOW


def _make_items() -> None:
    run = BillingRun.objects.create(
        month=MARCH, actor="test", started_at=NOW, planned_at=NOW
    )
    for code in ("BAY", "SUN"):
        RunItem.objects.create(run=run, payer=make_agency(code), next_attempt_at=NOW)


def _make_mails() -> None:
    for key in ("first", "second"):
        Mail.objects.create(
            template="dunning_ended", subject_key=key, to=["ann@example.com"],
            state="queued", next_attempt_at=NOW, created_at=NOW,
        )  # fmt: skip


def _make_imports() -> None:
    for code in ("BAY", "SUN"):
        UsageImport.objects.create(
            agency=make_agency(code), format="csv", zone="UTC", file_name="calls.csv",
            file_size=0, actor="test", created_at=NOW, next_attempt_at=NOW,
            state="waiting", uploaded=True,
        )  # fmt: skip


def _make_deliveries() -> None:
    make_endpoint("https://hooks.example.com/in", None, _clock)
    announce(None, "run:1", "run:2", clock=_clock)
    fan_out_due(now=NOW)


def _make_processor() -> PaymentProcessor:
    return add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=NOW
    )[0]


def _make_events() -> None:
    store_events(_make_processor(), [("evt_1", b"{}"), ("evt_2", b"{}")], now=NOW)


def _make_charges() -> None:
    processor = _make_processor()
    make_prices()
    for code in ("BAY", "SUN"):
        make_seats(make_agency(code), "ana")
    bill(MARCH)
    for invoice in Document.objects.all():
        request_charge(invoice=invoice, processor=processor, actor="test", now=NOW)


def _make_refunds() -> None:
    _make_processor()
    payment = receive_payment(
        payer=make_agency(), amount=Decimal(9), currency="USD", processor="acme",
        reference="ch_9", now=NOW,
    )  # fmt: skip
    for amount in (1, 2):
        request_refund(
            payment=payment, amount=Decimal(amount), reason="test", actor="test",
            now=NOW,
        )  # fmt: skip


def _make_files() -> None:
    make_prices()
    for code in ("BAY", "SUN"):
        make_seats(make_agency(code), "ana")
    bill(MARCH)
    DocumentFile.objects.update(next_attempt_at=NOW)


CASES: dict[type[QueueItem], QueueCase] = {
    Delivery: QueueCase(
        make=_make_deliveries,
        finished="delivered",
        finishing={"settled_at": NOW},
        sweep=lambda: deliver_due(clock=_clock),
        exhausted=lambda: {"attempts": MAX_TRIES, "tries": MAX_TRIES},
        parked="given_up",
    ),
    DocumentFile: QueueCase(
        make=_make_files,
        finished="ready",
        finishing={"rendered_at": NOW, "size": 9, "sha256": "ab", "path": "a.pdf"},
        sweep=lambda: claim_files(now=NOW),
        exhausted=lambda: {"attempts": 1_000},
    ),
    Mail: QueueCase(
        make=_make_mails,
        finished="failed",
        sweep=lambda: send_due(clock=_clock),
        exhausted=lambda: {"attempts": len(settings.BILLING["MAIL_RETRIES"]) + 1},
        parked="failed",
    ),
    PaymentAttempt: QueueCase(
        make=_make_charges,
        finished="failed",
        sweep=lambda: claim_calls(CHARGES, now=NOW, limit=9),
        exhausted=lambda: {"attempts": 1_000},
    ),
    ProcessorEvent: QueueCase(
        make=_make_events,
        finished="done",
        sweep=lambda: process_events(now=NOW),
        exhausted=lambda: {"attempts": settings.CHARGES["EVENT_TRIES"]},
        parked="quarantined",
    ),
    RefundAttempt: QueueCase(
        make=_make_refunds,
        finished="failed",
        sweep=lambda: claim_calls(REFUNDS, now=NOW, limit=9),
        exhausted=lambda: {"attempts": 1_000},
    ),
    RunItem: QueueCase(
        make=_make_items,
        finished="done",
        sweep=lambda: close_due(now=NOW),
        exhausted=lambda: {"attempts": settings.BILLING["CLOSE_ATTEMPTS"]},
        parked="parked",
    ),
    UsageImport: QueueCase(
        make=_make_imports,
        finished="failed",
        finishing={"finished_at": NOW},
        sweep=lambda: resume_next_import(now=NOW),
        exhausted=lambda: {"attempts": MOST_ATTEMPTS},
        parked="failed",
    ),
}
