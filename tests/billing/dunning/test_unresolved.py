"""Charges of which nobody ever says what became of them."""

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import ChargeUnderWay, request_charge
from billing.collection.services.manual_resolution import close_attempt
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.services.unresolved import report_unresolved
from billing.collection.verification.money import verify_everything
from billing.dunning.models import DunningCase
from billing.mail.models import Mail
from billing.processors.domain.port import ProcessorOutcome
from billing.receivables.models import Payment
from billing.webhooks.models import OutboxEvent
from seats.models import User
from tests.billing.dunning.conftest import (
    allowed,
    day,
    kinds,
    newest_attempt,
    the_case,
)
from tests.build import APRIL, MARCH, bill, documents_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(settings):
    """One of them may not log in any more, and is not told."""
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.test", "b@example.com"
    for name, is_active in (("ops", True), ("gone", False)):
        User.objects.create_user(
            f"{name}@example.com", is_staff=True, is_active=is_active
        )


@pytest.fixture
def silent(days):
    """The processor never answers, whatever it did."""
    days.fake.faults = lambda: "lost"
    days.fake.blind = True
    return days


@pytest.fixture
def at(silent):
    """Go to a day after the issue, and let all the sweeps run."""

    def going(number):
        silent.at(number)
        report_unresolved(now=silent.now)
        silent.sweep()
        return silent.now

    return going


@pytest.fixture
def invoice(payer, card, silent):
    """March of two seats, charged when it was issued; nobody says how that ended."""
    card()
    bill(MARCH)
    silent.sweep()
    return documents_of(payer)[0]


class TestReport:
    def test_is_made_once_by_mail_and_event(self, staff, invoice, at):
        at(0.9)
        assert not Mail.objects.filter(template="payments_unresolved").exists()

        at(1.1)
        at(2)

        mail = Mail.objects.get(template="payments_unresolved")
        assert mail.to == ["ops@example.com"]
        assert mail.subject == "Payments that need attention: 1"
        assert "charge of 100.00 USD (SUNRISE-00001) at acme: unknown" in mail.text
        event = OutboxEvent.objects.get(type="payment.unresolved")
        assert event.stream.agency_id is None
        assert event.payload["invoice"] == str(invoice.public_id)
        assert newest_attempt().reported_at == day(1.1)

    def test_of_what_the_processor_has_comes_after_a_week(self, invoice, at):
        PaymentAttempt.objects.update(state="pending")
        at(6.9)
        assert newest_attempt().reported_at is None

        at(7.1)

        assert newest_attempt().reported_at == day(7.1)


class TestDunning:
    def test_goes_on_without_charging_again(self, payer, invoice, at, silent):
        at(1.1)
        at(13.9)
        assert not DunningCase.objects.exists()
        at(14.1)
        assert kinds(payer) == ["started", "overdue"]
        calls = len(silent.fake.calls)

        at(21.2)

        assert kinds(payer) == ["started", "overdue", "suspended"]
        assert allowed(payer, silent.now) == ["suspended"]
        assert len(silent.fake.calls) == calls
        assert PaymentAttempt.objects.count() == 1
        with pytest.raises(ChargeUnderWay):
            request_charge(invoice=invoice, actor="staff", now=silent.now)

    def test_waits_while_it_is_not_reported(self, payer, invoice, silent):
        silent.at(30)

        assert not DunningCase.objects.exists()

    def test_goes_on_after_a_retry_that_nobody_answers(self, payer, card, days):
        days.faults = ["soft"]
        card()
        bill(MARCH)
        days.sweep()
        days.fake.faults, days.fake.blind = (lambda: "lost"), True
        days.at(3.1)
        report_unresolved(now=days.at(4.2))
        assert the_case().state == "waiting"

        days.at(14.1)

        assert kinds(payer)[-2:] == ["retried", "overdue"]

    def test_charges_the_next_oldest_in_its_turn(self, payer, invoice, at, silent):
        at(1.1)
        silent.faults = []
        silent.fake.faults = lambda: "ok"
        bill(APRIL, now=at(30))
        at(30)

        april = documents_of(payer)[1]
        april.refresh_from_db()
        assert april.state == "paid"
        assert [attempt.state for attempt in invoice.attempts.all()] == ["unknown"]

    def test_ends_when_the_money_turns_up(self, payer, invoice, at, silent):
        at(1.1)
        at(21.2)
        at(28.3)

        apply_charge_outcome(
            attempt=newest_attempt(), outcome=ProcessorOutcome("succeeded", "ch_1"),
            now=silent.now,
        )  # fmt: skip

        invoice.refresh_from_db()
        assert (invoice.state, Payment.objects.count()) == ("paid", 1)
        assert kinds(payer)[-1] == "ended"
        assert allowed(payer, silent.now) is True
        assert verify_everything().findings == []

    def test_charges_again_once_somebody_has_closed_it(
        self, payer, invoice, at, silent
    ):
        at(1.1)
        at(14.1)
        close_attempt(
            attempt=newest_attempt(), outcome="failed", reason="not there",
            actor="staff", now=silent.now,
        )  # fmt: skip
        silent.fake.faults = lambda: "ok"

        at(17.2)

        invoice.refresh_from_db()
        assert invoice.state == "paid"
        assert kinds(payer)[-1] == "ended"
        assert verify_everything().findings == []

    def test_asks_no_new_method_before_that(self, payer, invoice, card, at, silent):
        at(1.1)
        at(14.1)
        calls = len(silent.fake.calls)

        card(silent.now)
        at(15)

        assert len(silent.fake.calls) == calls
        assert kinds(payer) == ["started", "overdue"]
