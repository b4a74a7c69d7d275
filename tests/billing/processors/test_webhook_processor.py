"""A webhook processor: the requests it gets, and the meaning of its responses."""

import socket
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.processors.adapters.webhook import WebhookProcessor, outcome_of
from billing.processors.domain.port import (
    ChargeRequest,
    ProcessorOutcome,
    RefundRequest,
)
from billing.processors.services.processors import add_processor
from billing.webhooks.domain.signing import new_secret
from core.outbound.addresses import AddressPolicy
from core.outbound.client import Limits, Outcome
from core.outbound.failures import Failure
from core.secrets import Secrets
from tests.receivers import answers, drips, hangs, receiving, vanishes

SECRET = Secrets(new_secret())
KEY = UUID("018f0000-0000-7000-8000-000000000000")
CHARGE = ChargeRequest(
    KEY, Decimal("100.00"), "USD", "SUNRISE", "SUNRISE-1", datetime.now(UTC), 3
)

REFUND = RefundRequest(KEY, "ch_1", Decimal("12.50"), "USD", datetime.now(UTC), 2)


@pytest.fixture
def receiver():
    with receiving() as listener:
        yield listener


@pytest.fixture
def processor_of(receiver):
    limits = Limits(seconds=0.5, rules=AddressPolicy(allow_loopback=True))
    return WebhookProcessor(receiver.url, SECRET, SECRET, limits)


class TestCharge:
    def test_is_told_signed_with_the_key_and_the_same_bytes_again(
        self, receiver, processor_of
    ):
        for _ in range(2):
            at = datetime.now(UTC)
            assert processor_of.charge(CHARGE, at=at).kind == "pending"

        first, second = receiver.received
        assert first.body == second.body
        assert first.headers["idempotency-key"] == first.id == str(KEY)
        body = Webhook(SECRET.current).verify(first.body, first.headers)
        assert body["type"] == "payment.requested"
        assert body["data"] == {
            "attempt": str(KEY), "amount": "100", "currency": "USD",
            "payer": "SUNRISE", "invoice": "SUNRISE-1",
        }  # fmt: skip

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
    def test_fails_for_certain_where_it_is_refused(
        self, receiver, processor_of, status
    ):
        receiver.behave = answers(status)

        assert processor_of.charge(CHARGE, at=datetime.now(UTC)).kind == "failed"

    @pytest.mark.parametrize(
        "behave",
        [answers(500), answers(503), answers(408), answers(429), answers(302),
         hangs(1), vanishes, drips("body")],
    )  # fmt: skip
    def test_is_unknown_for_everything_else(self, receiver, processor_of, behave):
        receiver.behave = behave

        assert processor_of.charge(CHARGE, at=datetime.now(UTC)).kind == "unknown"

    def test_fails_for_certain_where_it_may_not_go(self):
        processor = WebhookProcessor("https://127.0.0.1/hook", SECRET, SECRET, Limits())

        assert processor.charge(CHARGE, at=datetime.now(UTC)).kind == "failed"

    @pytest.mark.parametrize(
        ("failure", "kind"),
        [(Failure.ADDRESS_NOT_ALLOWED, "failed"), (Failure.NAME_NOT_RESOLVED, "failed"),
         (Failure.CONNECT_FAILED, "unknown"), (Failure.CONNECT_TIMEOUT, "unknown"),
         (Failure.TLS_FAILED, "unknown"), (Failure.TIMEOUT, "unknown"),
         (Failure.CONNECTION_LOST, "unknown")],
    )  # fmt: skip
    def test_fails_for_certain_only_where_there_was_no_address(self, failure, kind):
        for error in ("dns: like another failure", "not allowed: like another", "x"):
            response = Outcome(error=error, failure=failure)

            assert outcome_of(response) == ProcessorOutcome(kind, reason=error)

    def test_fails_for_certain_where_the_name_has_no_address(self):
        def resolve(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        limits = Limits(seconds=5, resolver=resolve)
        acme = WebhookProcessor("https://acme.example/hook", SECRET, SECRET, limits)

        assert acme.charge(CHARGE, at=datetime.now(UTC)) == ProcessorOutcome(
            "failed", reason="dns: the host name has no address"
        )


class TestLookUp:
    def test_asks_in_a_message_of_its_own_and_is_answered_later(
        self, receiver, processor_of
    ):
        assert processor_of.look_up(CHARGE, at=datetime.now(UTC)) is None

        (inquiry,) = receiver.received
        assert (inquiry.payload["type"], inquiry.id) == ("payment.inquired", f"{KEY}-3")


class TestRefund:
    def test_is_told_as_charges_are(self, receiver, processor_of):
        assert processor_of.refund(REFUND, at=datetime.now(UTC)).kind == "pending"
        receiver.behave = answers(422)
        assert processor_of.refund(REFUND, at=datetime.now(UTC)).kind == "failed"
        receiver.behave = answers(500)
        assert processor_of.refund(REFUND, at=datetime.now(UTC)).kind == "unknown"

        request = receiver.received[0]
        assert request.headers["idempotency-key"] == request.id == str(KEY)
        assert request.payload["type"] == "refund.requested"
        assert request.payload["data"] == {
            "refund": str(KEY), "payment": "ch_1", "amount": "12.5", "currency": "USD",
        }  # fmt: skip

    def test_is_asked_about_in_a_message_of_its_own(self, receiver, processor_of):
        assert processor_of.look_up_refund(REFUND, at=datetime.now(UTC)) is None

        (inquiry,) = receiver.received
        assert (inquiry.payload["type"], inquiry.id) == ("refund.inquired", f"{KEY}-2")


def test_a_sweep_tells_the_processor_of_the_row(receiver, invoice, clock, settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    processor, secret, _ = add_processor(
        code="acme", url=receiver.url, actor="test", now=clock()
    )
    request_charge(invoice=invoice, processor=processor, actor="test", now=clock())

    charge_due(clock=clock)

    attempt = PaymentAttempt.objects.get()
    assert attempt.state == "pending"
    (request,) = receiver.received
    assert Webhook(secret).verify(request.body, request.headers)["data"][
        "attempt"
    ] == str(attempt.public_id)


@pytest.mark.parametrize(
    ("sent_before", "state"), [(False, "failed"), (True, "unknown")]
)
def test_a_secret_that_cannot_be_read_charges_nobody(
    receiver, invoice, clock, settings, sent_before, state
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    processor = add_processor(code="acme", url=receiver.url, actor="test", now=clock())[
        0
    ]
    request_charge(invoice=invoice, processor=processor, actor="test", now=clock())
    if sent_before:
        receiver.behave = answers(500)
        charge_due(clock=clock)
        clock.forward(minutes=6)
    settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}

    charge_due(clock=clock)

    assert PaymentAttempt.objects.get().state == state
    assert len(receiver.received) == sent_before
