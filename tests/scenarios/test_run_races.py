"""Races of seats, payers, zones and prices against runs. What they leave must verify."""

import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from billing.accounts.services import set_payer_shares
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import RunItem
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.months import start_due
from billing.pricing.models import Meter, PriceList, Rate
from billing.pricing.services import publish_price_list
from core.errors import Refusal
from seats.agencies.services import change_zone
from seats.models import Agent, Seat
from seats.roster.services.seats import (
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    transfer_seats,
)
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MARCH_1,
    MAY_2,
    bill,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)

pytestmark = [pytest.mark.usefixtures("fresh_database"), pytest.mark.timeout(300)]
BY_TEST: dict[str, Any] = {"actor": "test", "now": APRIL_2}


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_done_to_seats_at_once_leaves_the_books_right(seed, run_in_threads):
    make_prices()
    chance = random.Random(seed)
    agencies = [make_agency(code) for code in ("HERE", "THERE")]
    for n, agency in enumerate(agencies):
        make_seats(agency, f"a{n}", f"b{n}", f"c{n}")
        make_agents(agency, f"d{n}", f"e{n}")
        calls = [
            call(
                agency.code,
                agent=f"{name}{n}",
                id=f"{n}{name}{day}",
                occurred_at=datetime(2026, 3, day, 12, tzinfo=UTC),
            )
            for name in "abc"
            for day in (5, 15)
        ]
        use(*calls, now=APRIL_2)

    def act(chance):
        seat = chance.choice(list(Seat.objects.all()))
        agent = chance.choice(list(Agent.objects.all()))
        by = {**BY_TEST, "staff": True, "reason": "test"}
        on = {**by, "on": date(2026, 3, chance.randint(1, 31))}
        work = [
            lambda: add_seats(agents=[agent], **on),
            lambda: remove_seats(seats=[seat], **on),
            lambda: hand_over_seats(moves=[(seat, agent)], **on),
            lambda: transfer_seats(moves=[(seat, agent)], **on),
            lambda: cancel_seats(seats=[seat], **by),
        ]
        return chance.choice(work)()

    def many(seed):
        own = random.Random(seed)
        for _ in range(8):
            with suppress(Refusal):
                act(own)

    results = run_in_threads(
        *[partial(many, chance.random()) for _ in range(4)],
        lambda: bill(MARCH, now=APRIL_2 + timedelta(hours=1)),
    )
    assert not [r for r in results if isinstance(r, Exception)], results
    bill(APRIL, now=MAY_2)
    report = verify_everything(now=MAY_2)
    assert (report.findings, report.pending_facts) == ([], 0)


def test_payers_and_zones_that_change_while_a_run_closes(run_in_threads, settings):
    settings.BILLING = {**settings.BILLING, "CLOSE_CHUNK": 1}
    make_prices()
    top = make_agency("TOP")
    agencies = [make_agency(f"A{n}") for n in range(6)]
    for agency in agencies:
        make_seats(agency, "ana", "ben")

    def shares():
        return [
            set_payer_shares(
                agency=agency,
                shares={top: Decimal(50), agency: Decimal(50)},
                starts_on=date(2026, 4, 2 + n),
                **BY_TEST,
            )
            for n, agency in enumerate(agencies)
        ]

    def zones():
        june = date(2026, 6, 1)
        for agency in agencies:
            change_zone(agency=agency, zone="Asia/Tokyo", starts_on=june, **BY_TEST)

    def run():
        bill(MARCH, now=APRIL_2)
        bill(APRIL, now=MAY_2)

    results = run_in_threads(shares, zones, run, run)
    assert not [r for r in results if isinstance(r, Exception)], results
    bill(APRIL, now=MAY_2 + timedelta(hours=1))
    report = verify_everything(now=MAY_2)
    assert (report.findings, report.pending_facts) == ([], 0)
    assert sum(d.total for d in Document.objects.all()) == 6 * 2 * 2 * 50


def test_many_starters_and_closers_and_beat(run_in_threads, settings):
    settings.BILLING = {**settings.BILLING, "CLOSE_CHUNK": 1}
    make_prices()
    for n in range(6):
        make_seats(make_agency(f"A{n}"), "ana")

    def command():
        return bill(MARCH, now=APRIL_2 + timedelta(hours=12))

    def beat():
        for _ in range(5):
            start_due(now=APRIL_2 + timedelta(hours=12))
            close_due(now=APRIL_2 + timedelta(hours=12))

    results = run_in_threads(command, command, beat, beat)
    assert not [r for r in results if isinstance(r, Exception)], results
    bill(MARCH, now=APRIL_2 + timedelta(hours=13))
    assert Document.objects.count() == 6
    assert not RunItem.objects.filter(state="parked").exists()
    report = verify_everything(now=APRIL_2 + timedelta(hours=13))
    assert (report.findings, report.pending_facts) == ([], 0)


def test_a_list_that_is_published_while_drafts_are_built(run_in_threads, settings):
    review = {"REVIEW_WINDOW": timedelta(days=2)}
    settings.BILLING = {**settings.BILLING, "CLOSE_CHUNK": 1, **review}
    make_prices()
    for n in range(6):
        make_seats(make_agency(f"A{n}"), "ana")
    new = PriceList.objects.create(
        code="NEW", currency="USD", starts_on=APRIL, seat_price=49
    )
    for meter in Meter.objects.all():
        Rate.objects.create(price_list=new, meter=meter, unit_price=1)

    results = run_in_threads(
        lambda: bill(MARCH, now=APRIL_2),
        lambda: publish_price_list(price_list=new, now=MARCH_1),
        lambda: bill(MARCH, now=APRIL_2),
    )
    assert not [r for r in results if isinstance(r, Exception)], results
    assert verify_everything(now=APRIL_2).findings == []
    assert [draft.total for draft in Document.objects.all()] == [50] * 6
