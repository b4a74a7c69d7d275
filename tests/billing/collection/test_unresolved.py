"""Staff is notified of refunds and events that stay open."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.collection.services.unresolved import report_unresolved
from billing.mail.models import Mail
from billing.webhooks.models import OutboxEvent
from seats.models import User
from tests.billing.collection.stories import Story, StoryProcessor, charge, refund

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]


@pytest.fixture
def staff(settings):
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "mail.test", "b@example.com"
    User.objects.create_user("ops@example.com", is_staff=True)
    User.objects.create_user("agent@example.com")


@pytest.fixture
def teller(invoice, processor, clock, staff):
    """A processor, and an invoice with a pending charge."""
    made = StoryProcessor(invoice, processor, clock)
    made.begin(Story([]))
    return made


def reported():
    rows = OutboxEvent.objects.filter(stream__agency=None, type__endswith="unresolved")
    return [(event.type, event.payload) for event in rows.order_by("pk")]


class TestReportUnresolved:
    def test_tells_of_an_event_that_waits_for_a_day(self, teller):
        teller.tell(refund("succeeded", "re_1", 30))
        teller.sweep()
        received_at = ProcessorEvent.objects.get().received_at

        early = report_unresolved(now=received_at + timedelta(hours=23))
        late = [
            report_unresolved(now=received_at + timedelta(hours=hours))
            for hours in (24, 25)
        ]

        assert (early, late) == (0, [1, 0])
        ((kind, payload),) = reported()
        assert kind == "processor_event.unresolved"
        assert (payload["state"], payload["payment"]) == ("waiting", "ch_0")
        mail = Mail.objects.get()
        assert mail.to == ["ops@example.com"]
        assert (
            "waiting for its payment (Payment ch_0 has not been received yet.)"
            in mail.text
        )

    def test_still_books_the_event_when_its_payment_comes(self, teller):
        teller.tell(refund("succeeded", "re_1", 30))
        teller.sweep()
        report_unresolved(now=teller.clock() + timedelta(days=2))

        teller.tell(charge("succeeded"))
        teller.sweep()

        assert set(ProcessorEvent.objects.values_list("state", flat=True)) == {"done"}

    def test_tells_at_once_of_what_does_not_fit(self, teller):
        teller.tell(charge("succeeded", amount="99"))
        teller.sweep()

        assert report_unresolved(now=teller.clock()) == 1

        assert [payload["state"] for _, payload in reported()] == ["quarantined"]

    def test_tells_of_a_refund_whose_outcome_is_unknown(self, captured, clock, staff):
        attempt = request_refund(
            payment=captured, amount=Decimal(30), reason="test", actor="staff",
            now=clock(),
        )  # fmt: skip
        for _ in range(2):  # the first call dies
            claim_calls(REFUNDS, now=clock(), limit=8)
            clock.forward(minutes=5)

        report_unresolved(now=clock.forward(hours=23))
        assert reported() == []
        report_unresolved(now=clock.forward(hours=1))

        ((kind, payload),) = reported()
        assert (kind, payload["id"]) == ("refund.unresolved", str(attempt.public_id))
        text = Mail.objects.get().text
        assert "refund of 30.00 USD (acme ch_9) at acme: unknown" in text

    def test_tells_of_many_in_one_mail(self, teller):
        for number in range(3):
            teller.tell(refund("succeeded", f"re_{number}", 10))
        teller.sweep()

        report_unresolved(now=teller.clock() + timedelta(days=2))

        assert Mail.objects.get().subject == "Payments that need attention: 3"
