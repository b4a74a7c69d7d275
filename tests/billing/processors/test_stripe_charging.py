"""Charges and refunds at Stripe: the meaning of each response, and that nothing leaks."""

import json
import logging
import socket
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
import stripe as sdk

from billing.processors.adapters.stripe.client import from_minor_units, to_minor_units
from billing.processors.adapters.stripe.processor import stripe_processor
from billing.processors.domain.port import (
    ChargeRequest,
    ProcessorOutcome,
    RefundRequest,
)
from core.outbound.addresses import AddressPolicy
from core.outbound.client import Limits
from core.secrets import Secrets
from tests.billing.processors.stripe_fake import KEY

LIMITS = Limits(seconds=1.5, rules=AddressPolicy(allow_loopback=True))


@pytest.fixture
def account(stripe):
    return stripe_processor(stripe.url, KEY, Secrets(""), LIMITS)


@pytest.fixture
def charge(stripe, customer, clock):
    """A charge of 50.00 by the card of this id."""

    def make(method="pm_visa", **changes):
        stripe.account.method(method, customer)
        made = ChargeRequest(
            uuid4(), Decimal("50.00"), "USD", "SUNRISE", "SUNRISE-00001", clock(),
            customer=customer, method=method,
        )  # fmt: skip
        return replace(made, **changes)

    return make


def only(fault, path="payment_intents"):
    """Inject this fault at the first call that creates one."""
    rest = iter([fault])

    def choose(method, called):
        return next(rest, "ok") if (method, called) == ("POST", path) else "ok"

    return choose


def statuses(stripe):
    return [intent["status"] for intent in stripe.account.of("payment_intent")]


class TestCharge:
    def test_charges_the_saved_method_while_the_payer_is_away(
        self, stripe, account, charge, clock
    ):
        wanted = charge()

        outcome = account.charge(wanted, at=clock())

        (charged,) = stripe.account.journal
        assert (outcome.kind, outcome.reference) == ("succeeded", charged.intent)
        assert charged.attempt == str(wanted.key)
        _, _, params, headers = stripe.requests[-1]
        assert headers["idempotency-key"] == str(wanted.key)
        assert (params["amount"], params["currency"]) == ("5000", "usd")
        assert (params["off_session"], params["confirm"]) == ("true", "true")
        assert set(params["metadata"]) == {"attempt", "payer", "invoice"}

    def test_charges_once_per_key(self, stripe, account, charge, clock):
        wanted = charge()

        first, again = (account.charge(wanted, at=clock()) for _ in range(2))

        assert first == again
        assert len(stripe.account.journal) == 1

    @pytest.mark.parametrize(
        ("method", "kind", "reason"),
        [
            ("pm_declined", "declined_soft", "generic_decline"),
            ("pm_insufficient", "declined_soft", "insufficient_funds"),
            ("pm_expired", "declined_hard", "expired_card"),
            ("pm_lost", "declined_hard", "lost_card"),
            ("pm_advised", "declined_hard", "do_not_honor"),
            ("pm_sca", "declined_hard", "authentication_required"),
            ("pm_action", "declined_hard", "authentication_required"),
        ],
    )
    def test_leaves_nothing_behind_that_could_succeed_after_a_decline(
        self, stripe, account, charge, clock, method, kind, reason
    ):
        outcome = account.charge(charge(method), at=clock())

        assert (outcome.kind, outcome.reason) == (kind, reason)
        assert statuses(stripe) == ["canceled"]

    def test_waits_for_a_bank_that_takes_its_time(self, account, charge, clock):
        assert account.charge(charge("pm_slow"), at=clock()).kind == "pending"

    def test_declines_a_method_that_is_not_there(self, stripe, account, charge, clock):
        gone = replace(charge(), method="pm_gone")

        outcome = account.charge(gone, at=clock())

        assert (outcome.kind, outcome.reason) == (
            "declined_hard",
            "no such payment_method",
        )

    @pytest.mark.parametrize("changes", [{"amount": Decimal(0)}, {"customer": ""}])
    def test_fails_for_certain_where_they_read_it_and_refused(
        self, stripe, account, charge, clock, changes
    ):
        outcome = account.charge(charge(**changes), at=clock())

        assert outcome.kind in {"failed", "declined_hard"}
        assert stripe.account.journal == []

    @pytest.mark.parametrize(
        "fault", ["busy", "reset", "reset_after", "hang", "error", "garbage"]
    )
    def test_does_not_know_what_a_bad_line_did(
        self, stripe, account, charge, clock, fault
    ):
        stripe.faults = only(fault)

        assert account.charge(charge(), at=clock()).kind == "unknown"
        assert sum(stripe.injected.values()) == 1  # and it is not tried again here

    def test_does_not_know_what_another_request_under_its_key_did(
        self, account, charge, clock
    ):
        wanted = charge()
        account.charge(wanted, at=clock())

        outcome = account.charge(replace(wanted, amount=Decimal(51)), at=clock())

        assert outcome.kind == "unknown"

    def test_says_that_a_wrong_key_charged_nothing(self, stripe, charge, clock):
        stranger = stripe_processor(stripe.url, "sk_test_other", Secrets(""), LIMITS)

        outcome = stranger.charge(charge(), at=clock())

        assert outcome.kind == "failed"
        assert "other" not in outcome.reason

    def test_goes_to_no_address_that_is_not_allowed(self, stripe, charge, clock):
        guarded = stripe_processor(stripe.url, KEY, Secrets(""), Limits(seconds=1.5))

        outcome = guarded.charge(charge(), at=clock())

        assert outcome.kind == "unknown"
        assert stripe.requests == []

    def test_is_unknown_where_the_name_has_no_address(self, charge, clock):
        def resolve(*_, **__):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        limits = Limits(seconds=5, resolver=resolve)
        lost = stripe_processor("https://api.example/", KEY, Secrets(""), limits)

        assert lost.charge(charge(), at=clock()) == ProcessorOutcome(
            "unknown", reason="dns: the host name has no address"
        )

    def test_goes_through_no_proxy_of_the_environment(
        self, account, charge, clock, monkeypatch
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")

        assert account.charge(charge(), at=clock()).kind == "succeeded"

    def test_does_not_call_dead_what_it_could_not_cancel(
        self, stripe, account, charge, clock
    ):
        stripe.faults = lambda method, path: "busy" if "cancel" in path else "ok"

        outcome = account.charge(charge("pm_declined"), at=clock())

        assert outcome.kind == "unknown"
        assert statuses(stripe) == ["requires_payment_method"]

    def test_logs_neither_key_nor_what_was_sent(self, account, charge, clock, caplog):
        with caplog.at_level(logging.DEBUG):
            account.charge(charge("pm_declined"), at=clock())

        assert KEY not in caplog.text
        assert "pm_declined" not in caplog.text
        assert "SUNRISE" not in caplog.text

    def test_leaves_the_library_of_others_alone(self, account, charge, clock):
        account.charge(charge(), at=clock())

        assert sdk.api_key is None
        assert sdk.default_http_client is None


class TestLookUp:
    def test_finds_what_was_charged_without_an_answer(
        self, stripe, account, charge, clock
    ):
        stripe.faults = only("hang")
        wanted = charge()
        account.charge(wanted, at=clock())
        account.charge(charge(), at=clock())

        outcome = account.look_up(wanted, at=clock.forward(minutes=6))

        assert outcome.reference == stripe.account.journal[0].intent
        assert outcome.kind == "succeeded"

    def test_finds_it_behind_a_hundred_others(self, stripe, account, charge, clock):
        wanted = charge()
        account.charge(wanted, at=clock())
        for _ in range(150):
            stripe.account.create_payment_intent(
                {"amount": "1", "currency": "usd", "customer": wanted.customer,
                 "payment_method": wanted.method, "metadata": {"attempt": "another"}}
            )  # fmt: skip

        assert account.look_up(wanted, at=clock()).kind == "succeeded"

    @pytest.mark.parametrize(
        ("method", "kind"),
        [
            ("pm_declined", "declined_soft"),
            ("pm_lost", "declined_hard"),
            ("pm_action", "declined_hard"),
            ("pm_slow", "pending"),
        ],
    )
    def test_says_how_it_ended(self, stripe, account, charge, clock, method, kind):
        stripe.faults = only("reset_after")
        wanted = charge(method)
        account.charge(wanted, at=clock())

        outcome = account.look_up(wanted, at=clock.forward(minutes=6))

        assert outcome.kind == kind
        assert statuses(stripe) == ["processing" if kind == "pending" else "canceled"]
        assert account.look_up(wanted, at=clock()).kind == kind

    def test_cancels_what_was_begun_and_never_confirmed(
        self, stripe, account, charge, clock
    ):
        wanted = charge()
        intent = stripe.account.create_payment_intent(
            {"amount": "5000", "currency": "usd", "customer": wanted.customer,
             "payment_method": wanted.method,
             "metadata": {"attempt": str(wanted.key)}}
        )  # fmt: skip

        assert account.look_up(wanted, at=clock()).kind == "failed"
        assert intent["status"] == "canceled"

    def test_says_it_is_absent_once_nothing_can_arrive(self, account, charge, clock):
        until = clock() + timedelta(hours=23)
        wanted = charge(sent_until=until)

        early = account.look_up(wanted, at=until + timedelta(minutes=9))
        late = account.look_up(wanted, at=until + timedelta(minutes=11))

        assert (early, late.kind) == (None, "absent")

    @pytest.mark.parametrize("fault", ["busy", "reset", "hang", "garbage", "error"])
    def test_says_nothing_where_it_cannot_be_asked(
        self, stripe, account, charge, clock, fault
    ):
        stripe.faults = lambda method, path: fault
        wanted = charge(sent_until=clock())

        assert account.look_up(wanted, at=clock.forward(days=9)) is None


class TestRefund:
    @pytest.fixture
    def paid(self, stripe, account, charge, clock):
        return account.charge(charge(), at=clock()).reference

    @pytest.fixture
    def request_of(self, paid, clock):
        def make(amount, key=None):
            return RefundRequest(key or uuid4(), paid, Decimal(amount), "USD", clock())

        return make

    def test_gives_back_once_per_key(self, stripe, account, request_of, clock):
        request = request_of(20)

        first, again = (account.refund(request, at=clock()) for _ in range(2))

        assert first == again
        assert first.kind == "succeeded"
        assert [refund["amount"] for refund in stripe.account.of("refund")] == [2000]

    def test_fails_for_more_than_there_is(self, account, request_of, clock):
        assert account.refund(request_of(51), at=clock()).kind == "failed"

    @pytest.mark.parametrize("fault", ["busy", "hang", "error", "garbage"])
    def test_is_found_where_its_answer_was_lost(
        self, stripe, account, request_of, clock, fault
    ):
        stripe.faults = only(fault, "refunds")
        request = request_of(20)

        assert account.refund(request, at=clock()).kind == "unknown"
        outcome = account.look_up_refund(request, at=clock())
        if fault == "busy":
            assert outcome is None
            outcome = account.look_up_refund(request, at=clock.forward(hours=25))
            assert outcome.kind == "absent"
        else:
            assert outcome.reference == stripe.account.of("refund")[0]["id"]


class TestAmounts:
    @pytest.mark.parametrize(
        ("amount", "currency", "units"),
        [("50.00", "USD", 5000), ("0.01", "EUR", 1), ("500", "JPY", 500),
         ("1.250", "KWD", 1250), ("5", "ISK", 500), ("5", "UGX", 500)],
    )  # fmt: skip
    def test_are_in_the_unit_they_count_in(self, amount, currency, units):
        assert to_minor_units(Decimal(amount), currency) == units
        assert from_minor_units(units, currency.lower()) == (Decimal(amount), currency)

    @pytest.mark.parametrize("units", [None, "5000", 1.5])
    def test_are_whole_numbers(self, units):
        with pytest.raises(sdk.APIError):
            from_minor_units(units, "usd")


@pytest.mark.parametrize(
    "answer",
    [b"", b"null", b"[]", b'"x"', b"1", b"{}", b"<html>", b"\xff\xfe", b"[" * 100_000,
     json.dumps({"object": "payment_intent", "status": "dancing", "id": "pi_1"}).encode(),
     json.dumps({"object": "payment_intent"}).encode()],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 402, 404, 500, 302])
def test_no_answer_whatever_gets_across_as_an_error(
    stripe, account, charge, clock, monkeypatch, answer, status
):
    wanted = charge()
    monkeypatch.setattr(
        "tests.billing.processors.stripe_fake.FakeStripe.respond",
        lambda fake, request, method: _answer(request, status, answer),
    )

    outcome = account.charge(wanted, at=clock())

    assert outcome.kind == "unknown"
    assert account.look_up(wanted, at=clock()) is None


def _answer(request, status, body):
    request.send_response(status)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
