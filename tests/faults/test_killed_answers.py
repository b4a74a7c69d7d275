"""A worker killed with -9 while it books a payment that another event waits for."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.verification.money import verify_everything
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment, Refund
from billing.webhooks.models import OutboxStream
from tests.billing.collection.stories import StoryProcessor, charge, refund
from tests.billing.webhooks.conftest import Clock
from tests.build import MARCH, bill, documents_of, make_agency, make_prices, make_seats
from tests.faults.recovery import CHARGING, TIMEOUT, until
from tests.faults.test_killed_dunning import is_claimed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]


def test_what_waits_is_booked_by_the_sweep_after_a_kill(
    fresh_database, worker, beat, settings
):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    payer = make_agency()
    make_seats(payer, "ana")
    bill(MARCH)
    audit: dict[str, Any] = {"actor": "test", "now": timezone.now()}
    processor = add_processor(code="acme", url="https://pay.example.com", **audit)[0]
    teller = StoryProcessor(documents_of(payer)[0], processor, Clock(), client=Client())
    teller.request_unsent()
    claim_calls(CHARGES, now=timezone.now(), limit=8)
    waiting = ProcessorEvent.objects.filter(state="waiting")
    victim = worker(queues="charges", **CHARGING)
    beat()

    teller.tell(refund("succeeded", "re_1", 20))
    until(waiting.exists)
    teller.tell(charge("succeeded"))
    with transaction.atomic():
        # Whoever books the payment stands here, with all of it but the events.
        list(OutboxStream.objects.select_for_update().filter(agency=payer))
        until(lambda: is_claimed(payer))
        victim.kill()
    assert (Payment.objects.count(), waiting.count()) == (0, 1)

    worker(queues="charges", **CHARGING)
    until(Refund.objects.exists)

    assert not ProcessorEvent.objects.exclude(state="done").exists()
    assert (Payment.objects.count(), Refund.objects.count()) == (1, 1)
    assert verify_everything().findings == []
