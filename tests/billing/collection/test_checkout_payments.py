"""Outcomes of checkout pages: paid, declined and paid, expired, or closed."""

from decimal import Decimal

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import ChargeUnderWay
from billing.collection.services.checkout_closing import (
    ProcessorUnreachable,
    close_payment_page,
)
from billing.collection.verification.money import verify_everything
from billing.dunning.models import DunningCase
from billing.receivables.models import Payment
from billing.receivables.queries.positions import customer_credit
from billing.receivables.services.payments import receive_payment
from tests.billing.collection.paging import at, sessions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


class TestPaying:
    def test_pays_the_invoice_and_saves_the_card(
        self, open_page, invoice, payer, stripe, tell
    ):
        page = open_page()
        stripe.account.use_page(page.reference, "pm_visa")

        tell()

        invoice.refresh_from_db()
        payment = Payment.objects.get()
        assert (invoice.state, payment.amount) == ("paid", Decimal(100))
        assert payment.reference == stripe.account.journal[0].intent
        assert PaymentMethod.objects.get(payer=payer).reference == "pm_visa"
        assert verify_everything().findings == []

    def test_is_found_without_any_event(self, open_page, invoice, stripe, ask):
        stripe.account.use_page(open_page().reference, "pm_visa")

        ask()

        invoice.refresh_from_db()
        assert (invoice.state, Payment.objects.count()) == ("paid", 1)

    def test_goes_on_with_another_card_after_a_decline(
        self, open_page, stripe, tell, ask
    ):
        page = open_page()
        stripe.account.use_page(page.reference, "pm_declined")
        tell()
        ask()
        assert PaymentAttempt.objects.get().state == "pending"

        stripe.account.use_page(page.reference, "pm_visa")
        tell()

        assert PaymentAttempt.objects.get().state == "succeeded"
        assert len(stripe.account.journal) == 1

    def test_is_closed_once_the_invoice_is_paid_by_other_means(
        self, open_page, invoice, payer, stripe, clock, ask
    ):
        page = open_page()
        receive_payment(
            payer=payer, amount=Decimal(100), currency="USD", processor="manual",
            reference="wire", now=clock(),
        )  # fmt: skip

        ask(seconds=1)

        assert sessions(stripe)[0]["status"] == "expired"
        attempt = PaymentAttempt.objects.get()
        assert (attempt.state, page.reference) == ("failed", sessions(stripe)[0]["id"])
        assert verify_everything().findings == []

    def test_that_was_paid_too_is_not_lost(self, open_page, payer, stripe, clock, ask):
        stripe.account.use_page(open_page().reference, "pm_visa")
        receive_payment(
            payer=payer, amount=Decimal(100), currency="USD", processor="manual",
            reference="wire", now=clock(),
        )  # fmt: skip

        ask(seconds=1)

        assert PaymentAttempt.objects.get().state == "succeeded"
        assert customer_credit(payer.pk) == 100
        assert verify_everything().findings == []

    def test_waits_for_a_bank_that_takes_its_time(self, open_page, stripe, tell):
        stripe.account.use_page(open_page().reference, "pm_slow")
        tell()
        assert PaymentAttempt.objects.get().state == "pending"

        intent = stripe.account.of("payment_intent")[0]
        stripe.account.succeed(intent)
        sessions(stripe)[0]["payment_status"] = "paid"
        stripe.account.add_event(
            "checkout.session.async_payment_succeeded", sessions(stripe)[0]
        )
        stripe.account.events = stripe.account.events[-1:]
        tell()

        assert PaymentAttempt.objects.get().state == "succeeded"

    def test_fails_with_the_bank_that_took_its_time(self, open_page, stripe, tell):
        stripe.account.use_page(open_page().reference, "pm_slow")
        intent = stripe.account.of("payment_intent")[0]
        error = {"code": "debit_not_authorized"}
        intent |= {"status": "requires_payment_method", "last_payment_error": error}
        stripe.account.add_event(
            "checkout.session.async_payment_failed", sessions(stripe)[0]
        )

        tell()

        attempt = PaymentAttempt.objects.get()
        assert (attempt.state, attempt.last_error) == (
            "declined_hard",
            "debit_not_authorized",
        )
        assert intent["status"] == "canceled"


class TestExpiry:
    @pytest.mark.parametrize("tried", [None, "pm_declined"])
    @pytest.mark.parametrize("how", ["by event", "by look-up"])
    def test_ends_the_attempt_and_frees_the_invoice(
        self, open_page, stripe, clock, tell, ask, how, tried
    ):
        page = open_page()
        if tried:
            stripe.account.use_page(page.reference, tried)
        clock.forward(hours=23, minutes=1)
        stripe.account.let_pages_expire()

        if how == "by event":
            stripe.account.events = stripe.account.of(
                "event", type="checkout.session.expired"
            )
            tell()
        else:
            ask()

        attempt = PaymentAttempt.objects.get()
        assert (attempt.state, attempt.last_error) == ("failed", "page expired")
        assert not DunningCase.objects.exists()  # nobody's card was declined
        assert open_page().pk != page.pk

    def test_is_waited_for_where_they_have_not_said_so(self, open_page, clock):
        open_page()
        clock.forward(hours=23, minutes=1)

        with pytest.raises(ChargeUnderWay):
            open_page()


class TestClosePaymentPage:
    def test_ends_the_attempt_once_they_say_it_is_over(
        self, open_page, stripe, clock, tell
    ):
        page = open_page()

        for _ in range(2):
            attempt = close_payment_page(page=page, clock=clock)
            page.refresh_from_db()

        assert (attempt.state, attempt.last_error) == ("failed", "page expired")
        assert sessions(stripe)[0]["status"] == "expired"
        tell()
        assert PaymentAttempt.objects.get().state == "failed"

    def test_takes_in_what_was_paid_meanwhile(self, open_page, stripe, clock):
        page = open_page()
        stripe.account.use_page(page.reference, "pm_visa")

        assert close_payment_page(page=page, clock=clock).state == "succeeded"

    @pytest.mark.parametrize("fault", ["busy", "reset", "hang", "error", "garbage"])
    def test_ends_nothing_over_a_bad_line(self, open_page, stripe, clock, fault):
        page = open_page()
        stripe.faults = lambda method, path: fault

        with pytest.raises(ProcessorUnreachable):
            close_payment_page(page=page, clock=clock)

        assert PaymentAttempt.objects.get().state == "pending"

    def test_waits_until_it_is_known_whether_it_is_there(
        self, open_page, stripe, clock
    ):
        stripe.faults = at("hang", "checkout/sessions")
        with pytest.raises(ProcessorUnreachable):
            open_page()

        with pytest.raises(ChargeUnderWay):
            close_payment_page(page=CheckoutPage.objects.get(), clock=clock)
