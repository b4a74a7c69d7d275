"""A processor that hangs, or a payer with many charges, does not delay the others."""

import threading

import pytest

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES, charge_due
from billing.collection.services.dispatch import claim_calls
from billing.processors.services.processors import add_processor
from tests.billing.collection.processors import FakeProcessor
from tests.build import (
    APRIL_2,
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("at_once")]
LONG = 30  # seconds
SLOW, QUICK = 5, 3


class Hanging(FakeProcessor):
    """It responds once all calls to the other processor are made."""

    def __init__(self, others):
        super().__init__()
        self.others, self.in_time = others, []

    def charge(self, charge, *, at):
        self.in_time.append(self.others.done.wait(LONG))
        return super().charge(charge, at=at)


class Counting(FakeProcessor):
    def __init__(self):
        super().__init__()
        self.done = threading.Event()

    def charge(self, charge, *, at):
        outcome = super().charge(charge, at=at)
        if len(self.journal) == QUICK:
            self.done.set()
        return outcome


@pytest.fixture
def attempts(clock):
    """Attempts at a processor that hangs, and after them attempts at another."""
    make_prices()
    payers = [make_agency(f"A{n}") for n in range(SLOW + QUICK)]
    for payer in payers:
        make_seats(payer, "ana")
    bill(MARCH)
    rows = {
        code: add_processor(
            code=code, url=f"https://{code}.example.com/", actor="test", now=APRIL_2
        )[0]
        for code in ("slow", "quick")
    }
    for n, payer in enumerate(payers):
        request_charge(
            invoice=documents_of(payer)[0],
            processor=rows["slow" if n < SLOW else "quick"],
            actor="test",
            now=clock.forward(seconds=1),
        )
    return rows


def test_a_processor_that_hangs_leaves_calls_for_the_others(attempts, clock, settings):
    settings.CHARGES = {**settings.CHARGES, "AT_ONCE": 4}
    quick = Counting()
    slow = Hanging(quick)

    made = charge_due(
        clock=clock, connect=lambda row: slow if row.code == "slow" else quick
    )

    assert made == SLOW + QUICK
    assert slow.in_time == [True] * SLOW
    assert set(PaymentAttempt.objects.values_list("state", flat=True)) == {"succeeded"}


def test_a_processor_has_no_more_than_its_share(attempts, clock, settings):
    settings.CHARGES = {**settings.CHARGES, "AT_ONCE": 4}
    slow = attempts["slow"].pk

    calls = claim_calls(CHARGES, now=clock(), limit=4)
    assert [call.attempt.processor.code for call in calls].count("slow") == 2
    more = claim_calls(CHARGES, now=clock(), limit=4, busy={slow: 2})
    assert {call.attempt.processor.code for call in more} == {"quick"}
