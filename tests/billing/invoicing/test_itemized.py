"""The calls behind a line, each with its part of the charge."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from billing.invoicing.domain.itemized import (
    EarlierDocument,
    MonthPrices,
    itemize_calls,
    was_counted,
)
from billing.invoicing.models.documents import DocumentLine, Void
from billing.invoicing.queries.calls import calls_behind
from billing.metering.domain.events import CountedEvent
from billing.pricing.domain.rating import RateTerms, Tier, rate_usage
from billing.pricing.queries import published_terms
from core.money import round_money
from tests.billing.invoicing import worlds
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.billing.invoicing.worlds import MONTHS
from tests.build import MARCH, bill
from tests.rollback import rolled_back

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTES: dict[str, Any] = {
    "minimum": Decimal(60),
    "increment": Decimal(60),
    "unit_size": Decimal(60),
}
PER_UNIT = RateTerms(
    meter="m", model="per_unit", unit_price=Decimal("0.0180"), **MINUTES
)
POOLED = RateTerms(
    meter="m", model="per_unit", unit_price=Decimal("0.0120"),
    included_per_seat=Decimal(10), **MINUTES,
)  # fmt: skip
GRADUATED = RateTerms(
    meter="m", model="graduated", unit_price=None,
    tiers=(Tier(Decimal(5), Decimal("0.02"), Decimal("0.5")),
           Tier(Decimal(50), Decimal("0.0155")), Tier(None, Decimal("0.01"))),
    minimum=Decimal(0), increment=Decimal(1), unit_size=Decimal(60),
)  # fmt: skip


def prices(terms):
    return MonthPrices(terms, seat_days=31, month=MARCH)


def counted(**changes):
    fields = {
        "id": "a", "source": "/x", "agent": "ana", "dial_mode": "power",
        "occurred_at": NOON, "started_at": "2026-03-10T11:59:51+00:00",
        "raw": Decimal(45), "billable": Decimal(60), "cutoff": 1,
    }  # fmt: skip
    return CountedEvent(**{**fields, **changes})


def call_of(event, *, in_seconds=True):
    (call,) = itemize_calls(
        [event],
        prices=prices(PER_UNIT),
        counted_before=(1).__eq__,
        in_seconds=in_seconds,
    )
    return call


class TestMonthPrices:
    @pytest.mark.parametrize("terms", [PER_UNIT, POOLED, GRADUATED])
    @given(st.lists(st.integers(0, 90), max_size=40))
    def test_gives_parts_that_sum_to_the_charge(self, terms, minutes):
        each = prices(terms)

        parts = [each.price(Decimal(60 * count))[1] for count in minutes]

        whole = rate_usage(
            billable=Decimal(60 * sum(minutes)), terms=terms, seat_days=31, month=MARCH
        )
        assert sum((part or Decimal(0) for part in parts), Decimal(0)) == whole.amount

    def test_gives_the_allowance_to_the_first_calls(self):
        each = prices(POOLED)

        parts = [each.price(Decimal(60 * minutes)) for minutes in (9, 2, 1)]

        assert parts == [
            (Decimal(0), Decimal(0)),
            (None, Decimal("0.012")),
            (Decimal("0.0120"), Decimal("0.012")),
        ]

    def test_begins_a_tier_with_the_call_that_enters_it(self):
        each = prices(GRADUATED)

        parts = [each.price(Decimal(60 * minutes)) for minutes in (1, 1, 4, 2)]

        assert parts == [
            (None, Decimal("0.52")),  # with the flat fee
            (Decimal("0.02"), Decimal("0.02")),
            (None, Decimal("0.0755")),
            (Decimal("0.0155"), Decimal("0.031")),
        ]

    def test_takes_back_what_was_added(self):
        each = prices(PER_UNIT)

        amounts = [each.price(Decimal(seconds))[1] for seconds in (60, 120, -60)]

        assert amounts == [Decimal("0.018"), Decimal("0.036"), Decimal("-0.018")]

    @pytest.mark.parametrize("model", ["volume", "package"])
    def test_gives_no_call_a_price_where_one_more_changes_that_of_all(self, model):
        terms = RateTerms(
            meter="m", model=model, unit_price=Decimal(9), package_size=Decimal(1000),
            **MINUTES,
        )  # fmt: skip

        assert prices(terms).price(Decimal(60)) == (None, None)


class TestWasCounted:
    FIRST, SECOND = EarlierDocument(1, None), EarlierDocument(2, None)
    VOIDED = EarlierDocument(1, 3)

    @pytest.mark.parametrize(
        ("earlier", "expected"),
        [
            ([], {}),
            ([FIRST], {1}),
            ([FIRST, SECOND], {1, 2}),
            ([VOIDED], set()),
            ([VOIDED, SECOND], {2}),
            ([VOIDED, SECOND, EarlierDocument(4, None)], {1, 2, 3, 4}),
            ([VOIDED, SECOND, EarlierDocument(4, 5)], {2}),
        ],
    )
    def test_is_what_documents_that_still_count_have_counted(self, earlier, expected):
        counted = {f for f in range(1, 6) if was_counted(f, earlier, cutoff=5)}

        assert counted == set(expected)

    def test_is_as_it_was_when_the_line_was_written(self):
        assert was_counted(1, [self.VOIDED], cutoff=2)
        assert not was_counted(1, [self.VOIDED], cutoff=3)


class TestItemise:
    def test_has_the_times_of_start_answer_and_end(self):
        call = call_of(counted(raw=Decimal("45.5")))

        assert call.start == datetime(2026, 3, 10, 11, 59, 51, tzinfo=UTC)
        assert call.answer == NOON
        assert call.end == datetime(2026, 3, 10, 12, 0, 45, 500_000, tzinfo=UTC)

    @pytest.mark.parametrize("text", [None, "", "=1+1", "2026-03-10T12:00:00", "9"])
    def test_has_no_start_unless_a_time_was_sent(self, text):
        assert call_of(counted(started_at=text)).start is None

    def test_has_no_end_for_meters_that_are_not_in_seconds(self):
        assert call_of(counted(), in_seconds=False).end is None

    @pytest.mark.parametrize(("cutoff", "expected"), [(1, "before"), (2, "now")])
    def test_names_calls_that_an_earlier_document_has_counted(self, cutoff, expected):
        assert call_of(counted(cutoff=cutoff)).counted == expected


@pytest.mark.django_db
@pytest.mark.timeout(600)
class TestCallsBehind:
    facts = st.lists(
        worlds.uses | worlds.uses | worlds.seat_facts, min_size=4, max_size=12
    )
    acts = st.lists(worlds.closes | worlds.voids, min_size=1, max_size=2)
    histories = st.tuples(facts, acts, facts, acts, facts).map(
        lambda parts: [step for part in parts for step in part]
    )

    @pytest.fixture(autouse=True)
    def no_review(self, settings):
        settings.BILLING = {
            **settings.BILLING,
            "REVIEW_WINDOW": None,
            "BACKDATE_DAYS": 400,
            "LATE_DAYS": 400,
            "OUTLIER_FLOOR_SEATS": 10**9,
        }

    @given(histories)
    @EXAMPLES
    def test_are_those_the_line_was_computed_from(self, beginning, steps):
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            bill(MONTHS[-1], now=worlds.LATEST)
            lines = DocumentLine.objects.exclude(meter=None)
            event(f"{min(lines.filter(late=True).count(), 3)} late lines or more")
            for line in lines.select_related("document", "meter"):
                self.check(line)

    def is_after_a_void(self, line):
        return Void.objects.filter(
            document__lt=line.document_id, document__payer=line.payer_id
        ).exists()

    def check(self, line):
        calls = list(calls_behind(line))

        assert sum(call.billed_seconds for call in calls) == line.billable
        assert sum(call.raw_seconds for call in calls) == line.raw
        amounts = [call.amount_before_rounding or Decimal(0) for call in calls]
        terms = published_terms(line.price_list_id).rate(line.meter.code)
        if terms.model == "package":
            assert not any(call.amount_before_rounding for call in calls)
        else:
            assert round_money(sum(amounts, Decimal(0)), "USD") == line.charge
        if not terms.included_per_seat and not self.is_after_a_void(line):
            # Seats would have changed the allowance, a void leaves parts of cents.
            before = [call.billed_seconds for call in calls if call.counted == "before"]
            rated = rate_usage(
                billable=sum(before, Decimal(0)),
                terms=terms,
                seat_days=0,
                month=line.month,
            )
            assert round_money(rated.amount, "USD") == line.amount_before
