"""Open checkout pages and dunning of the same invoice."""

from datetime import timedelta

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.collection.services.checkout_closing import close_payment_page
from billing.collection.services.methods import remove_method
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.services.sweep import step_due
from billing.receivables.services.payments import receive_payment

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


@pytest.fixture
def unpaid(open_page, clock):
    """A page that was closed; nobody paid on it."""
    return lambda: close_payment_page(page=open_page(), clock=clock)


@pytest.fixture
def declined(invoice, save_card, clock):
    """The payer's card was declined for now: it is charged again in 3 days."""
    save_card("pm_declined")
    request_charge(invoice=invoice, actor="test", now=clock())
    charge_due(clock=clock)
    return DunningCase.objects.get()


def steps():
    return list(DunningStep.objects.order_by("pk").values_list("kind", flat=True))


class TestAPageThatNobodyPaidOn:
    @pytest.mark.parametrize("tried", [None, "pm_declined"])
    def test_is_no_charge_in_vain(self, open_page, stripe, clock, tell, tried):
        page = open_page()
        if tried:
            stripe.account.use_page(page.reference, tried)
        clock.forward(hours=23, minutes=1)
        stripe.account.let_pages_expire()

        tell()

        assert PaymentAttempt.objects.get().last_error == "page expired"
        assert not DunningCase.objects.exists()

    def test_leaves_a_retry_where_it_was(self, declined, unpaid, clock, stripe):
        planned = declined.retry_at

        unpaid()

        declined.refresh_from_db()
        assert (declined.retry_at, steps()) == (planned, ["started", "retry_scheduled"])
        step_due(now=planned)
        assert PaymentAttempt.objects.latest("pk").actor == "dunning"

    def test_asks_for_no_method_once_more(self, declined, unpaid, clock):
        """The retry finds no payment method any more, and publishes that once."""
        remove_method(
            method=declined.payer.payment_methods.get(), actor="t", now=clock()
        )
        step_due(now=declined.retry_at)

        unpaid()

        assert steps().count("payment_method_needed") == 1

    def test_lets_a_case_end_with_what_it_was_about(self, declined, unpaid, clock):
        unpaid()
        receive_payment(
            payer=declined.payer, amount=declined.invoice.total, currency="USD",
            processor="manual", reference="wire", now=clock(),
        )  # fmt: skip

        declined.refresh_from_db()
        assert declined.state == "closed"
        assert step_due(now=clock() + timedelta(days=30)) == 0
