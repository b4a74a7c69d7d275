"""Checkout pages: opened once, paid once, and blocking other charges meanwhile."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage, ProcessorCustomer
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import (
    ChargeUnderWay,
    NothingToCharge,
    request_charge,
)
from billing.collection.services.checkout import (
    BadReturnUrl,
    PageOptions,
    open_payment_page,
    open_setup_page,
)
from billing.collection.services.checkout_closing import (
    PageNotOpened,
    ProcessorUnreachable,
    give_up_unopened_pages,
)
from billing.invoicing.services.documents import void_document
from billing.processors.domain.port import NotDone, Unreachable
from billing.processors.services.registry import NoPages, connect_hoster
from billing.receivables.services.payments import receive_payment
from tests.billing.collection.paging import PAGE_OPTIONS, at, sessions

pytestmark = pytest.mark.django_db


class Host:
    """The real client, of which a test overrides single calls."""

    def __init__(self, row):
        self.host = connect_hoster(row)
        self.open_customer = self.host.open_customer
        self.close_page = self.host.close_page

    def open_page(self, request):
        return self.host.open_page(request)


class TestOpenPaymentPage:
    def test_is_over_what_is_owed_and_is_a_pending_attempt(
        self, open_page, invoice, stripe, clock
    ):
        page = open_page()

        attempt = PaymentAttempt.objects.get()
        (session,) = sessions(stripe)
        assert (attempt.state, attempt.invoice) == ("pending", invoice)
        assert (page.url, page.reference) == (session["url"], session["id"])
        assert (session["amount_total"], session["currency"]) == (10_000, "usd")
        assert session["intended"]["setup_future_usage"] == "off_session"
        assert session["intended"]["metadata"]["attempt"] == str(attempt.public_id)
        assert page.expires_at - clock() == timedelta(hours=23)

    def test_gives_the_same_page_out_while_it_is_open(self, open_page, stripe):
        assert open_page().url == open_page().url
        assert len(sessions(stripe)) == 1

    def test_holds_the_invoice(self, open_page, invoice, payer, save_card, clock):
        save_card()
        open_page()

        with pytest.raises(ChargeUnderWay):
            request_charge(invoice=invoice, actor="test", now=clock())
        with pytest.raises(ChargeUnderWay):
            void_document(
                document_id=invoice.pk, actor="test", reason="wrong", now=clock()
            )

    def test_waits_for_another_charge(self, open_page, save_card, invoice, clock):
        save_card()
        request_charge(invoice=invoice, actor="test", now=clock())

        with pytest.raises(ChargeUnderWay):
            open_page()

    def test_refuses_what_is_paid(self, open_page, invoice, clock):
        receive_payment(
            payer=invoice.payer, amount=Decimal(100), currency="USD",
            processor="manual", reference="wire", now=clock(),
        )  # fmt: skip

        with pytest.raises(NothingToCharge):
            open_page()

    def test_makes_the_payer_a_customer_once(
        self, open_page, payer, stripe, clock, ask, tell
    ):
        open_page()
        open_setup_page(payer=payer, options=PAGE_OPTIONS, clock=clock)

        (customer,) = stripe.account.of("customer")
        assert customer["metadata"]["payer"] == payer.code
        assert ProcessorCustomer.objects.get().reference == customer["id"]

    @pytest.mark.parametrize("fault", ["reset", "hang", "error"])
    @pytest.mark.parametrize("hours", [0, 26])
    def test_makes_the_payer_a_customer_once_over_a_bad_line(
        self, open_page, stripe, clock, fault, hours
    ):
        stripe.faults = at(fault, "customers")
        with pytest.raises(ProcessorUnreachable):
            open_page()
        assert not CheckoutPage.objects.exists()

        clock.forward(hours=hours)
        if (fault, hours) == ("error", 0):  # they keep that answer for a day
            clock.forward(hours=26)
        open_page()

        assert len(stripe.account.of("customer")) == 1

    @pytest.mark.parametrize("fault", ["busy", "reset", "reset_after", "hang"])
    def test_opens_the_same_page_where_the_answer_was_lost(
        self, open_page, stripe, fault
    ):
        stripe.faults = at(fault, "checkout/sessions")
        with pytest.raises(ProcessorUnreachable):
            open_page()
        assert PaymentAttempt.objects.get().state == "unknown"

        page = open_page()

        assert page.url == sessions(stripe)[0]["url"]
        assert len(sessions(stripe)) == CheckoutPage.objects.count() == 1
        assert PaymentAttempt.objects.get().state == "pending"

    @pytest.mark.parametrize("fault", ["reset_after", "hang"])
    def test_opens_the_same_page_after_it_was_found_without_a_url(
        self, open_page, stripe, ask, fault
    ):
        stripe.faults = at(fault, "checkout/sessions")
        with pytest.raises(ProcessorUnreachable):
            open_page()
        ask()
        assert PaymentAttempt.objects.get().state == "pending"

        assert open_page().url == sessions(stripe)[0]["url"]
        assert len(sessions(stripe)) == 1

    def test_has_failed_where_it_never_came_to_be(self, open_page, stripe, ask):
        stripe.faults = at("reset", "checkout/sessions")
        with pytest.raises(ProcessorUnreachable):
            open_page()

        ask(minutes=6)
        assert PaymentAttempt.objects.get().state == "unknown"
        ask(hours=1, minutes=1)

        assert PaymentAttempt.objects.get().state == "failed"
        assert sessions(stripe) == []
        assert open_page().url

    def test_is_opened_by_nobody_while_somebody_opens_it(
        self, invoice, at_stripe, clock, open_page
    ):
        class Slow(Host):
            def open_page(self, request):
                with pytest.raises(ChargeUnderWay):
                    open_page()
                return self.host.open_page(request)

        page = open_payment_page(
            invoice=invoice, options=PAGE_OPTIONS, clock=clock, connect=Slow
        )

        assert open_page().url == page.url

    def test_has_failed_where_it_is_refused(self, invoice, at_stripe, clock):
        class Refusing(Host):
            def open_page(self, request):
                raise NotDone("answered 400")

        with pytest.raises(PageNotOpened):
            open_payment_page(
                invoice=invoice, options=PAGE_OPTIONS, clock=clock, connect=Refusing
            )

        assert PaymentAttempt.objects.get().state == "failed"

    def test_proves_nothing_by_a_refusal_after_a_lost_answer(
        self, invoice, at_stripe, clock
    ):
        errors = [Unreachable("timeout"), NotDone("answered 400")]

        class Erring(Host):
            def open_page(self, request):
                raise errors.pop(0)

        for kind in (ProcessorUnreachable, PageNotOpened):
            with pytest.raises(kind):
                open_payment_page(
                    invoice=invoice, options=PAGE_OPTIONS, clock=clock, connect=Erring
                )

        assert PaymentAttempt.objects.get().state == "unknown"

    def test_leaves_a_killed_opening_to_be_found(
        self, open_page, invoice, at_stripe, stripe, clock, ask
    ):
        class Killed(Exception):
            pass

        class Dying(Host):
            def open_page(self, request):
                self.host.open_page(request)
                raise Killed

        with pytest.raises(Killed):
            open_payment_page(
                invoice=invoice, options=PAGE_OPTIONS, clock=clock, connect=Dying
            )
        ask()

        assert PaymentAttempt.objects.get().state == "pending"
        assert open_page().url == sessions(stripe)[0]["url"]

    @pytest.mark.parametrize("url", ["", "http://10.0.0.1", "javascript:x", "x"])
    def test_refuses_a_bad_return_url(self, invoice, at_stripe, clock, url):
        with pytest.raises(BadReturnUrl):
            open_payment_page(
                invoice=invoice, options=PageOptions("test", url), clock=clock
            )

    def test_refuses_a_processor_without_pages(self, invoice, processor, clock):
        for candidate in (None, processor):
            options = PageOptions("test", "https://agency.example.com", candidate)
            with pytest.raises(NoPages):
                open_payment_page(invoice=invoice, options=options, clock=clock)


class TestOpenSetupPage:
    def test_saves_what_the_payer_entered(self, payer, at_stripe, stripe, clock, tell):
        page = open_setup_page(payer=payer, options=PAGE_OPTIONS, clock=clock)
        stripe.account.use_page(page.reference, "pm_visa")

        tell()

        method = PaymentMethod.objects.get()
        assert (method.payer, method.reference) == (payer, "pm_visa")
        assert not PaymentAttempt.objects.exists()

    def test_says_that_it_could_not_be_opened(self, payer, at_stripe, stripe, clock):
        stripe.faults = at("hang", "checkout/sessions")

        with pytest.raises(ProcessorUnreachable):
            open_setup_page(payer=payer, options=PAGE_OPTIONS, clock=clock)
        assert open_setup_page(payer=payer, options=PAGE_OPTIONS, clock=clock).url

    def test_is_given_up_where_no_answer_came(self, payer, at_stripe, stripe, clock):
        stripe.faults = at("hang", "checkout/sessions")
        with pytest.raises(ProcessorUnreachable):
            open_setup_page(payer=payer, options=PAGE_OPTIONS, clock=clock)
        opened = open_setup_page(payer=payer, options=PAGE_OPTIONS, clock=clock)
        assert give_up_unopened_pages(now=clock()) == 0

        clock.forward(minutes=3)
        for ended in (1, 0):
            assert give_up_unopened_pages(now=clock()) == ended

        (closed,) = CheckoutPage.objects.exclude(closed_at=None)
        assert (closed.url, closed.closed_at) == ("", clock())
        opened.refresh_from_db()
        assert opened.closed_at is None

    def test_gives_no_url_out_for_a_page_that_was_given_up(
        self, payer, at_stripe, clock
    ):
        class Slow(Host):
            def open_page(self, request):
                opened = super().open_page(request)
                assert give_up_unopened_pages(now=clock.forward(minutes=3)) == 1
                return opened

        with pytest.raises(ProcessorUnreachable, match="too late"):
            open_setup_page(
                payer=payer, options=PAGE_OPTIONS, clock=clock, connect=Slow
            )

        assert CheckoutPage.objects.get().url == ""


class TestCheckoutPage:
    def test_is_never_for_an_attempt_at_another_processor(
        self, charge, at_stripe, payer, clock
    ):
        moments = dict.fromkeys(["opened_at", "expires_at", "sent_until"], clock())

        with pytest.raises(IntegrityError, match="its payer"), transaction.atomic():
            CheckoutPage.objects.create(
                kind="payment", payer=payer, processor=at_stripe, attempt=charge(),
                actor="test", customer="cus_1", return_url="r", **moments,
            )  # fmt: skip

    def test_does_not_become_another(self, open_page):
        page = open_page()

        with pytest.raises(IntegrityError, match="does not change"):
            CheckoutPage.objects.filter(pk=page.pk).update(reference="cs_other")
