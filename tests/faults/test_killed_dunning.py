"""A worker killed with -9 in the middle of a step, and another one after it."""

import pytest
from django.db import transaction

from billing.accounts.models import BillingAccount
from billing.collection.verification.money import verify_everything
from billing.mail.models import Mail
from billing.webhooks.models import OutboxStream
from tests.billing.dunning.conftest import kinds, make_payer, published_types
from tests.build import MARCH, bill, make_prices
from tests.faults.recovery import FAST, NO_MONTHS, TIMEOUT, until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]
QUICK = {"DUNNING_GRACE_SECONDS": "1", **NO_MONTHS}


def is_claimed(payer):
    """Whether somebody else holds the payer; holds it not, if it can be had."""
    rows = BillingAccount.objects.select_for_update(no_key=True, skip_locked=True)
    with transaction.atomic():
        held = not rows.filter(payer=payer)
        transaction.set_rollback(True)
    return held


def test_a_step_of_a_killed_worker_is_taken_once(
    fresh_database, worker, beat, settings
):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    payer = make_payer()
    bill(MARCH)  # due in April; by now the grace of a second is long over
    victim = worker(queues="money", **QUICK)
    with transaction.atomic():
        # Whoever takes a step stands here with all of it but the events.
        list(OutboxStream.objects.select_for_update().filter(agency=payer))
        beat(speed=FAST)
        until(lambda: is_claimed(payer))
        victim.kill()
    assert kinds(payer) == []

    worker(queues="money", **QUICK)
    until(lambda: "suspended" in kinds(payer))
    assert kinds(payer) == ["started", "overdue", "suspended"]
    assert Mail.objects.count() == 2
    assert published_types(payer) == [
        "dunning.started", "dunning.overdue", "dunning.suspended",
        "account.outbound_suspended",
    ]  # fmt: skip
    assert verify_everything().findings == []
