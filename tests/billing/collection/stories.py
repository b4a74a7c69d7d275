"""Event histories of a processor, and the state of the books that each ends in."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.test import Client

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.disputes import Dispute
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.inbound_events import process_events
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.ledger.queries import balances_of
from billing.processors.models import PaymentProcessor
from billing.receivables.models import Payment, Refund
from billing.receivables.queries.positions import amounts_due, customer_credit
from tests.billing.collection.answering import charge_event_body, post, signed
from tests.billing.webhooks.conftest import Clock

MINUTE = timedelta(minutes=1)
Step = tuple[str, dict[str, Any]]


def charge(kind: str, attempt: int = 0, **data: Any) -> Step:
    """A step about an attempt: its charge has the reference ch_<number>."""
    if kind == "succeeded":
        data["reference"] = f"ch_{attempt}"
    return f"payment.{kind}", {"attempt": attempt, **data}


def refund(kind: str, reference: str, amount: int, payment: str = "ch_0") -> Step:
    """A refund that was started at the processor."""
    data = {"reference": reference, "amount": str(amount), "currency": "USD"}
    return f"refund.{kind}", {"payment": payment, **data}


def dispute(kind: str, reference: str, amount: int, payment: str = "ch_0") -> Step:
    """A dispute of a payment."""
    data = {"reference": reference, "amount": str(amount), "currency": "USD"}
    return f"dispute.{kind}", {"payment": payment, **data}


@dataclass(frozen=True)
class Story:
    """Steps in their natural order; `first` are sent before, and stay in order.

    `second`: another charge of the same invoice is requested after `first`.
    """

    steps: Sequence[Step]
    first: Sequence[Step] = ()
    second: bool = False


STORIES = {
    "charged": Story([charge("pending"), charge("succeeded")]),
    "not charged": Story([charge("pending"), charge("failed", reason="no route")]),
    "declined": Story(
        [charge("failed"), charge("declined"), charge("declined", hard=True)]
    ),
    "failed, then charged": Story(
        [charge("failed"), charge("succeeded"), refund("succeeded", "re_1", 25)]
    ),
    "declined for good, then charged": Story(
        [charge("pending"), charge("declined", hard=True), charge("succeeded")]
    ),
    "refunded in part": Story(
        [
            charge("succeeded"),
            refund("pending", "re_1", 30),
            refund("succeeded", "re_1", 30),
        ]
    ),
    "two refunds": Story(
        [
            charge("succeeded"),
            refund("succeeded", "re_1", 30),
            refund("failed", "re_2", 70),
            refund("succeeded", "re_3", 70),
        ]
    ),
    "dispute won": Story(
        [
            charge("succeeded"),
            dispute("inquiry", "dp_1", 100),
            dispute("opened", "dp_1", 100),
            dispute("won", "dp_1", 100),
        ]
    ),
    "dispute lost": Story(
        [
            charge("pending"),
            charge("succeeded"),
            dispute("opened", "dp_1", 40),
            dispute("lost", "dp_1", 40),
        ]
    ),
    "dispute won, then refunded": Story(
        [
            charge("succeeded"),
            dispute("opened", "dp_1", 100),
            dispute("won", "dp_1", 100),
            refund("succeeded", "re_1", 100),
        ]
    ),
    "dispute lost, the rest refunded": Story(
        [
            charge("succeeded"),
            dispute("opened", "dp_1", 40),
            dispute("lost", "dp_1", 40),
            refund("succeeded", "re_1", 60),
        ]
    ),
    "disputed twice": Story(
        [
            charge("succeeded"),
            dispute("opened", "dp_1", 100),
            dispute("won", "dp_1", 100),
            dispute("lost", "dp_2", 100),
        ]
    ),
    "charged by two attempts": Story(
        [
            charge("succeeded", 0),
            charge("succeeded", 1),
            refund("succeeded", "re_1", 100, "ch_0"),
            dispute("lost", "dp_1", 20, "ch_1"),
        ],
        first=[charge("failed")],
        second=True,
    ),
}


@dataclass(frozen=True)
class FinalState:
    """The state that a story ends in; equal states agree on all money."""

    ledger: Any
    invoices: Any
    credit: Decimal
    payments: Any
    refunds: Any
    disputes: Any
    attempts: Any
    findings: Any = field(default=())


def final_state_of(invoice: Document) -> FinalState:
    """The current state of the invoice's payer."""
    payer = invoice.payer
    documents = Document.objects.filter(payer=payer).order_by("pk")
    due = amounts_due([document.pk for document in documents])
    invoices = [
        (document.state, document.pk in due and due[document.pk].amount)
        for document in documents
    ]
    return FinalState(
        ledger=tuple(balances_of(payer).items()),
        invoices=tuple(invoices),
        credit=customer_credit(payer.pk),
        payments=_rows(Payment, "reference", "amount"),
        refunds=_rows(Refund, "payment__reference", "reference", "amount"),
        disputes=_rows(Dispute, "reference", "state", "amount"),
        attempts=_rows(PaymentAttempt, "pk", "state", "reference"),
        findings=tuple(verify_everything().findings),
    )


def _rows(model: Any, *fields: str) -> Any:
    return tuple(sorted(model.objects.values_list(*fields)))


@dataclass
class StoryProcessor:
    """A processor that posts the events of an invoice's story to our endpoint."""

    invoice: Document
    processor: PaymentProcessor
    clock: Clock
    attempts: list[PaymentAttempt] = field(default_factory=list)
    client: Client = field(default_factory=Client)

    def begin(self, story: Story) -> None:
        """Send the attempts, and post the first events."""
        self.clock.now = datetime.now(UTC)
        self._send_charge()
        for step in story.first:
            self.tell(step)
        self.sweep()
        if story.second:
            self._send_charge()

    def tell(self, step: Step, event_id: str = "") -> None:
        """Post one event; with the same id it is a repeated delivery."""
        kind, data = step
        if kind.startswith("payment."):
            fields = {name: data[name] for name in data if name != "attempt"}
            attempt = self.attempts[data["attempt"]]
            body = charge_event_body(attempt, kind.removeprefix("payment."), **fields)
        else:
            body = json.dumps({"type": kind, "data": data}).encode()
        headers = signed(self.processor, body, self.clock(), event_id or str(uuid4()))
        assert post(self.client, self.processor, body, headers).status_code == 204

    def play(self, order: Sequence[Step], sweeps: Sequence[int] = ()) -> FinalState:
        """Post steps in an order; sweep after those numbers, and at the end."""
        for number, step in enumerate(order):
            self.tell(step)
            if number in sweeps:
                self.sweep()
        self.sweep()
        return final_state_of(self.invoice)

    def sweep(self) -> None:
        """Process the events; they were stored by the machine's own clock."""
        process_events(now=self.clock() + MINUTE)

    def request_unsent(self) -> PaymentAttempt:
        """Another charge of the invoice, which no worker has claimed."""
        attempt = request_charge(
            invoice=self.invoice, processor=self.processor, actor="test",
            now=self.clock(),
        )  # fmt: skip
        self.attempts.append(attempt)
        return attempt

    def _send_charge(self) -> None:
        self.request_unsent()
        claim_calls(CHARGES, now=self.clock(), limit=8)


def unfinished() -> list[tuple[str, str]]:
    """The events that are not done, and their reasons."""
    rows = ProcessorEvent.objects.exclude(state="done")
    return list(rows.order_by("pk").values_list("state", "last_error"))
