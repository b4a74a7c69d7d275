"""Corrections: an event is superseded once, in any order of arrival, in any month."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from django.db.models import Sum

from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.verification.services import verify_books
from billing.metering.models import EventKey, UsageDay, UsageEvent
from billing.metering.services.ingest import ingest_events
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    statuses,
    totals,
    use,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def sunrise(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    return agency


def days() -> list[Any]:
    """The sums of each day over all cut-offs."""
    rows = UsageDay.objects.values_list("agency__code", "meter__code", "used_on")
    sums = rows.annotate(n=Sum("events"), r=Sum("raw"), b=Sum("billable"))
    return sorted(row for row in sums if any(row[3:]))


def right(*events, now=APRIL_2):
    return statuses(use(*events, now=now))


class TestSuperseding:
    def test_takes_the_first_back_and_counts_the_second(self, sunrise):
        assert right(call(id="a", quantity=Decimal(135))) == ["accepted"]
        other = call(id="b", supersedes="a", quantity=Decimal(45))

        assert right(other) == ["accepted"]

        assert days() == [("SUNRISE", "voice.out", date(2026, 3, 10), 1,
                           Decimal(45), Decimal(60))]  # fmt: skip
        back = UsageEvent.objects.get(reverses__isnull=False)
        assert [back.external_id, back.raw, back.billable] == ["a", -135, -180]
        assert verify_books().findings == []

    def test_takes_back_for_good_with_nothing(self, sunrise):
        right(call(id="a"), call(id="b", supersedes="a", quantity=Decimal(0)))

        assert [row[4:] for row in days()] == [(0, 0)]

    def test_happens_once(self, sunrise):
        right(call(id="a"))
        first, rival = call(id="b", supersedes="a"), call(id="c", supersedes="a")

        assert right(first) == ["accepted"]
        assert right(rival) == ["superseded_already"]
        assert right(first) == ["duplicate"]
        assert right(call(id="d", supersedes="a"), call(id="e", supersedes="x"),
                     call(id="f", supersedes="x")) == [
            "superseded_already", "accepted", "superseded_already",
        ]  # fmt: skip
        assert verify_books().findings == []

    def test_counts_when_it_comes_before_what_it_supersedes(self, sunrise):
        assert right(call(id="b", supersedes="a", quantity=Decimal(45))) == ["accepted"]
        assert right(call(id="c", supersedes="a")) == ["superseded_already"]

        assert right(call(id="a")) == ["accepted"]
        assert right(call(id="a")) == ["duplicate"]
        assert right(call(id="a", quantity=Decimal(1))) == ["conflict"]

        assert [row[3:] for row in days()] == [(1, 45, 60)]
        assert EventKey.objects.filter(event_id=None).count() == 1
        assert verify_books().findings == []

    @pytest.mark.parametrize("order", [*permutations("abc")])
    def test_takes_nothing_back_from_an_event_that_is_refused_beside_it(
        self, sunrise, order
    ):
        right(call(id="x"), call(id="y", supersedes="x", quantity=Decimal(0)))
        events_by_name = {
            "a": call(id="a", supersedes="x", quantity=Decimal(6000)),
            "b": call(id="b", supersedes="a", quantity=Decimal(45)),
            "c": call(id="c", quantity=Decimal(61)),
        }

        results = dict(
            zip(order, right(*[events_by_name[n] for n in order]), strict=True)
        )

        assert results["a"] == "superseded_already"
        assert [row[3:] for row in days()] == [(3, 106, 180)]
        assert verify_books().findings == []

    def test_leaves_the_id_of_a_refused_event_free_also_in_a_batch(self, sunrise):
        right(call(id="x"), call(id="y", supersedes="x"))
        refused = call(id="a", supersedes="x")

        results = use(refused, refused, call(id="a"), now=APRIL_2)

        assert statuses(results) == [*["superseded_already"] * 2, "accepted"]
        assert right(refused) == ["conflict"]

    def test_goes_in_chains(self, sunrise):
        right(call(id="a"))
        right(call(id="b", supersedes="a", quantity=Decimal(61)))
        right(call(id="c", supersedes="b", quantity=Decimal(1)))

        assert [row[4:] for row in days()] == [(1, 60)]
        assert verify_books().findings == []

    @pytest.mark.parametrize("order", [*permutations("abc")])
    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_gives_the_same_days_in_any_order_and_batches(self, sunrise, order, size):
        chain = {
            "a": call(id="a", quantity=Decimal(200)),
            "b": call(id="b", supersedes="a", quantity=Decimal(61)),
            "c": call(id="c", supersedes="b", quantity=Decimal(1)),
        }
        events = [chain[name] for name in order]

        for n in range(0, len(events), size):
            use(*events[n : n + size], now=APRIL_2)

        assert [row[4:] for row in days()] == [(1, 60)]
        assert verify_books().findings == []

    def test_corrects_the_agency_the_date_and_the_meter(self, sunrise):
        make_agents(make_agency("BAYOU"), "ben")
        right(call(id="a", agent="ana"))

        right(
            call("BAYOU", id="b", supersedes="a", agent="ben", meter="voice.in",
                 occurred_at=datetime(2026, 3, 20, 16, tzinfo=UTC))
        )  # fmt: skip

        assert [row[:2] for row in days()] == [("BAYOU", "voice.in")]
        assert verify_books().findings == []

    @pytest.mark.parametrize("other", ["", "x" * 201, "a\tb", "b"])
    def test_refuses_what_is_no_other_id(self, sunrise, other):
        assert right(call(id="b", supersedes=other)) == ["bad_string"]

    def test_refuses_a_month_that_is_closed_for_good(self, sunrise):
        right(call(id="a"))
        bill(MARCH)
        late = datetime(2026, 7, 15, 12, tzinfo=UTC)
        correction = call(id="b", supersedes="a", occurred_at=late - timedelta(days=1))

        assert right(correction, now=late) == ["too_old"]
        assert days()[0][4:] == (135, 180)

    def test_reaches_no_further_than_the_key(self, sunrise):
        right(call(id="a"))
        other = make_agency("OTHER")
        correction = call("OTHER", id="b", supersedes="a")

        results = ingest_events(
            [correction], owner=0, now=APRIL_2, allowed_agency_ids={other.pk}
        )

        assert statuses(results) == ["unknown_event"]

    def test_leaves_another_owners_event_of_that_id_alone(self, sunrise):
        right(call(id="a"))

        ingest_events([call(id="b", supersedes="a")], owner=sunrise.pk, now=APRIL_2)

        assert days()[0][3] == 2


class TestClosedMonths:
    def test_show_the_correction_as_a_late_line(self, sunrise):
        right(*[call(id=f"a{n}", quantity=Decimal(6000)) for n in range(10)])
        bill(MARCH)
        right(call(id="b", supersedes="a0", quantity=Decimal(0)))

        bill(APRIL)

        line = DocumentLine.objects.get(late=True)
        assert (line.month, line.amount_before, line.amount_now) == (
            MARCH, Decimal("18.00"), Decimal("16.20"),
        )  # fmt: skip
        assert totals(sunrise) == [Decimal("68.00"), Decimal("48.20")]
        assert (verify_books().findings, verify_books().pending_facts) == ([], 0)

    def test_are_brought_to_nothing_by_taking_every_call_back(self, sunrise):
        right(*[call(id=f"a{n}", quantity=Decimal(6000)) for n in range(3)])
        bill(MARCH)
        right(*[call(id=f"b{n}", supersedes=f"a{n}", quantity=Decimal(0),
                     occurred_at=datetime(2026, 3, 31, 16, tzinfo=UTC))
                for n in range(3)])  # fmt: skip

        bill(APRIL)

        usage = DocumentLine.objects.filter(kind="usage")
        assert usage.aggregate(sum=Sum("amount"))["sum"] == 0
        assert verify_books().findings == []
