"""Workers killed with -9 once a processor gave money back, before the row says so."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from billing.collection.models.refunds import RefundAttempt
from billing.collection.services.refund_requests import request_refund
from billing.collection.verification.money import verify_everything
from billing.processors.services.processors import add_processor
from billing.receivables.models import Refund
from billing.receivables.services.payments import receive_payment
from tests.build import make_agency
from tests.faults.recovery import CHARGING, TIMEOUT, Killer, tell_all, until
from tests.receivers import receiving
from tests.reference_processor import ReferenceProcessor

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]
KILLS, REFUNDS = 6, 10


def test_many_killed_between_refund_and_commit_give_nothing_back_twice(
    fresh_database, worker, beat, settings
):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    audit: dict[str, Any] = {"actor": "test", "now": timezone.now()}
    killer = Killer(KILLS)
    with receiving() as receiver:
        row, checks, signs = add_processor(code="acme", url=receiver.url, **audit)
        fake = ReferenceProcessor(checks, signs, lambda *_: None, charged=killer)
        receiver.behave = fake
        for number in range(REFUNDS):
            payment = receive_payment(
                payer=make_agency(f"A{number}"), amount=Decimal(70), currency="USD",
                processor="acme", reference=f"ch_{number}", now=audit["now"],
            )  # fmt: skip
            request_refund(payment=payment, amount=Decimal(30), reason="test", **audit)
        quicker = {"WEBHOOKS_TIMEOUT_SECONDS": "1", "CHARGES_LEASE_SECONDS": "3"}
        killer.victim = worker(queues="charges", **CHARGING | quicker)
        beat()

        def all_given_back():
            tell_all(row, fake)
            return not RefundAttempt.objects.exclude(state="succeeded").exists()

        until(all_given_back, "all given back")

    assert killer.left <= 0
    assert len(fake.journal) == len(dict(fake.journal)) == REFUNDS
    booked = Refund.objects.values_list("payment__reference", "reference")
    assert sorted(booked) == sorted(fake.journal)
    assert set(Refund.objects.values_list("amount", flat=True)) == {Decimal(30)}
    assert verify_everything().findings == []
