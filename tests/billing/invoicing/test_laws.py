"""The laws of billing over random histories: see docs/architecture.md."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st

from billing.collection.verification.money import verify_everything
from billing.invoicing.domain.bill_changes import changes_between, total_of
from billing.invoicing.domain.canonical import canonical_bytes
from billing.invoicing.domain.content import content_of
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.models.runs import BillingRun
from billing.invoicing.queries.documents import header_of, issue_of, lines_of
from billing.invoicing.services.previews import preview_documents
from billing.invoicing.services.running_bills import running_bills
from billing.invoicing.verification.facts import RecomputedBooks
from billing.metering.models import UsageEvent
from seats.models import Seat
from seats.roster.services.seats import cancel_seats
from tests.billing.invoicing import worlds
from tests.billing.invoicing.worlds import MONTHS
from tests.build import bill
from tests.laws import examples
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
EXAMPLES = examples(10, phases=[Phase.explicit, Phase.generate])
EARLIEST = date(2026, 2, 1)  # an hour of it is March already further east
facts = st.lists(worlds.facts, min_size=4, max_size=25)
histories = st.lists(
    st.one_of(worlds.facts, worlds.facts, worlds.facts, worlds.shares,
              worlds.closes, worlds.voids),
    min_size=6, max_size=30,
)  # fmt: skip


def billed() -> dict[tuple[Any, ...], Decimal]:
    """What counts as billed by payer, agency, month and thing; zeros left out."""
    sums: dict[tuple[Any, ...], Decimal] = {}
    lines = DocumentLine.objects.exclude(document__state="void").values_list(
        "payer__code", "agency__code", "month", "meter__code", "amount"
    )
    for *key, amount in lines:
        sums[tuple(key)] = sums.get(tuple(key), Decimal(0)) + amount
    return {key: amount for key, amount in sums.items() if amount}


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {
        **settings.BILLING,
        "REVIEW_WINDOW": None,
        "BACKDATE_DAYS": 400,
        "LATE_DAYS": 400,
        "OUTLIER_FLOOR_SEATS": 10**9,
    }


class TestLaws:
    @given(histories)
    @EXAMPLES
    def test_after_every_close_what_is_billed_is_what_the_facts_say(
        self, beginning, steps
    ):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
                if step[0] == "close":
                    assert not BillingRun.objects.filter(finished_at=None).exists()
                    assert verify_everything().findings == []
            bill(MONTHS[-1], now=worlds.LATEST)
            report = verify_everything()

            assert report.findings == []
            assert report.pending_facts == 0

    @given(histories)
    @EXAMPLES
    def test_closing_in_between_changes_nothing_in_the_end(self, beginning, steps):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)
            interleaved = billed()
        with rolled_back():
            world = beginning.again()
            # Payers may be changed in open months only, so they come where they came.
            happened = [step for step in steps if step[0] not in {"close", "void"}]
            shares_differ = any(step[0] == "share" for step in steps)
            for step in happened:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)
            if not shares_differ:
                assert billed() == interleaved
            else:
                assert _by_agency(billed()) == _by_agency(interleaved)

    @given(histories)
    @EXAMPLES
    def test_the_parts_of_all_payers_sum_to_the_charge(self, beginning, steps):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)
            sums = _by_agency(billed())
            books = RecomputedBooks()
            owed: dict[tuple[object, ...], Decimal] = {}
            for agency in world.agencies:
                for month in [EARLIEST, *MONTHS]:
                    for (meter, _), amount in books.owed(
                        agency.pk, month, 10**6
                    ).items():
                        key = (agency.code, month, meter)
                        owed[key] = owed.get(key, Decimal(0)) + amount

            assert sums == {key: amount for key, amount in owed.items() if amount}

    @given(histories, histories)
    @EXAMPLES
    def test_what_is_issued_keeps_its_bytes_and_every_instant_its_date(
        self, beginning, steps, later
    ):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[0], now=worlds.LATEST)
            issued, dated = _bytes_of_documents(), _dates_of_events()
            for step in later:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)

            assert issued.items() <= _bytes_of_documents().items()
            assert dated.items() <= _dates_of_events().items()

    @given(facts, st.lists(worlds.closes, max_size=2))
    @EXAMPLES
    def test_a_second_close_writes_nothing(self, beginning, steps, closes):
        with rolled_back():
            world = beginning.again()
            for step in [*steps, *closes]:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)
            before = Document.objects.count(), DocumentLine.objects.count()
            bill(MONTHS[-1], now=worlds.LATEST)

            assert (Document.objects.count(), DocumentLine.objects.count()) == before

    @given(facts)
    @EXAMPLES
    def test_the_preview_is_the_document(self, beginning, steps):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            previewed = [
                [(line.description, line.amount) for line in document.lines]
                for agency in world.agencies
                for document in preview_documents(
                    payer=agency, month=MONTHS[-1], now=worlds.LATEST
                )
            ]
            bill(MONTHS[-1], now=worlds.LATEST)
            documents = Document.objects.order_by("payer_id", "number")
            written = [
                list(document.lines.values_list("description", "amount"))
                for document in documents
            ]

            assert previewed == written

    @given(st.lists(worlds.seat_facts, min_size=4, max_size=20))
    @EXAMPLES
    def test_cancelling_every_seat_brings_the_bill_to_zero(self, beginning, steps):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[1], now=worlds.LATEST)
            seats = list(Seat.objects.filter(cancelled=False))
            if seats:
                cancel_seats(
                    seats=seats,
                    actor="law",
                    now=worlds.LATEST,
                    reason="law",
                    staff=True,
                )
            bill(MONTHS[-1], now=worlds.LATEST)

            assert billed() == {}
            assert verify_everything().findings == []

    @given(histories)
    @EXAMPLES
    def test_taking_every_event_back_leaves_seats_alone_on_the_bill(
        self, beginning, steps
    ):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[1], now=worlds.LATEST)
            world.take_all_back()
            bill(MONTHS[-1], now=worlds.LATEST)

            assert {meter for *_, meter in billed()} <= {None}
            assert verify_everything().findings == []

    @given(facts)
    @EXAMPLES
    def test_no_seat_costs_more_than_a_month(self, beginning, steps):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)
            for agency in world.agencies:
                seats = Seat.objects.filter(agency=agency, cancelled=False).count()
                for line in DocumentLine.objects.filter(agency=agency, kind="seat"):
                    assert line.amount <= 50 * seats


def _bytes_of_documents() -> dict[int, bytes]:
    """What the hashes are taken over, read back from the rows."""
    documents = list(Document.objects.exclude(number=None).select_related("price_list"))
    lines = lines_of([document.pk for document in documents])
    return {
        document.pk: canonical_bytes(
            content_of(header_of(document), lines[document.pk], issue_of(document))
        )
        for document in documents
    }


def _dates_of_events() -> dict[int, date]:
    return dict(UsageEvent.objects.values_list("id", "used_on"))


def _by_agency(sums: dict[Any, Decimal]) -> dict[Any, Decimal]:
    by_agency: dict[Any, Decimal] = {}
    for (_, agency, month, meter), amount in sums.items():
        key = (agency, month, meter)
        by_agency[key] = by_agency.get(key, Decimal(0)) + amount
    return {key: amount for key, amount in by_agency.items() if amount}


@given(histories)
@EXAMPLES
def test_the_running_bill_is_the_next_document(beginning, steps):
    """By another way than the document's: once all dates are over, its facts say the same.

    The month itself is not closed; what is different from the month before adds up.
    """
    month = MONTHS[-1]
    with rolled_back():
        world = beginning.again()
        for step in steps:
            if step[0] != "close" or MONTHS[step[1]] < month:
                world.play(step)
        bills = running_bills(
            payer_ids=[agency.pk for agency in world.agencies], month=month,
            now=worlds.LATEST,
        )  # fmt: skip
        for payer in world.agencies:
            running = bills[payer.pk]
            documents = preview_documents(payer=payer, month=month, now=worlds.LATEST)
            lines = [line for d in documents if d.month == month for line in d.lines]
            changes = changes_between(running.before, running.so_far)
            more = running.total - total_of(running.before)

            assert running.total == sum(line.amount for line in lines)
            assert running.expected_total == running.total
            assert sum(change.amount for change in changes) == more
