"""Checking usage: totals that agree with one another, events page by page."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.models import UsageEvent
from billing.metering.queries.usage import GROUPS, usage_totals
from core.periods import month_range
from seats.agencies.services import set_upline
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import (
    MARCH,
    MARCH_1,
    call,
    make_agency,
    make_prices,
    make_seats,
    use,
)
from tests.rollback import rolled_back

pytestmark = pytest.mark.django_db
SCOPES = ["usage:read"]
PATH, EVENTS = "/api/v1/usage", "/api/v1/usage-events"
NOON = datetime(2026, 3, 10, 16, tzinfo=UTC)


@pytest.fixture(scope="module")
def downline(module_rows):
    """One agency below another, and one elsewhere, each with some usage of March."""
    make_prices()
    top, below, other = (make_agency(code) for code in ("TOP", "BELOW", "OTHER"))
    set_upline(agency=below, upline=top, on=MARCH, now=MARCH_1, actor="test")
    for agency in (top, below, other):
        make_seats(agency, "ana")
        use(
            call(agency.code, id=f"{agency.code}-1"),
            call(agency.code, id=f"{agency.code}-2", agent="ana", properties={}),
            call(agency.code, meter="sms.segment", quantity=Decimal("1.5"),
                 occurred_at=NOON + timedelta(days=2)),
        )  # fmt: skip
    return top, below, other


@pytest.fixture
def top(caller, downline):
    return caller(downline[0], SCOPES)


def rows(client, query=""):
    answer = client.get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


class TestUsage:
    def test_says_this_month_by_meter(self, top):
        answer = top.get(PATH).json()

        assert answer == {
            "agency": "TOP",
            "from": "2026-03-01",
            "to": "2026-04-01",
            "group_by": ["meter"],
            "results": [
                {"meter": "sms.segment", "events": 1, "raw": "1.5", "billable": "2",
                 "quantity": "2", "unit": "segment"},
                {"meter": "voice.out", "events": 2, "raw": "270", "billable": "360",
                 "quantity": "6", "unit": "minute"},
            ],
        }  # fmt: skip

    def test_leaves_the_quantity_out_where_units_are_mixed(self, top):
        (row,) = rows(top, "group_by=")

        assert row == {
            "events": 3, "raw": "271.5", "billable": "362", "quantity": None,
            "unit": None,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("group_by=day", [("2026-03-10", 2), ("2026-03-12", 1)]),
            ("group_by=agent", [("ana", 1), (None, 2)]),
            ("group_by=dial_mode&meter=voice.out", [("", 1), ("power", 1)]),
            ("group_by=meter&agent=", [("sms.segment", 1), ("voice.out", 1)]),
            ("group_by=meter&agent=ana", [("voice.out", 1)]),
            ("group_by=meter&dial_mode=power", [("sms.segment", 1), ("voice.out", 1)]),
            ("group_by=day&from=2026-03-12", [("2026-03-12", 1)]),
            ("group_by=day&to=2026-03-12", [("2026-03-10", 2)]),
            ("group_by=day&from=2026-03-10&to=2026-03-11", [("2026-03-10", 2)]),
            ("group_by=agency", [("TOP", 3)]),
            ("group_by=agency&downline=true", [("BELOW", 3), ("TOP", 3)]),
            ("month=2026-02", []),
            ("agent=nobody", []),
        ],
    )
    def test_is_grouped_and_narrowed(self, top, query, expected):
        shown = [(next(iter(row.values())), row["events"]) for row in rows(top, query)]

        assert shown == expected

    def test_of_an_agency_below_is_told_and_elsewhere_is_not_there(self, top):
        assert len(rows(top, "agency=BELOW")) == 2
        answers = [top.get(f"{PATH}?agency={code}") for code in ("OTHER", "NOBODY")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content

    def test_from_below_the_upline_is_not_there(self, caller, downline):
        below = caller(downline[1], SCOPES)

        assert below.get(f"{PATH}?agency=TOP").status_code == 404
        assert [r["agency"] for r in rows(below, "group_by=agency&downline=1")] == [
            "BELOW"
        ]

    def test_of_everybody_is_for_keys_of_the_platform(self, caller, downline):
        platform = caller(None, SCOPES)

        assert [r["agency"] for r in rows(platform, "group_by=agency")] == [
            "BELOW", "OTHER", "TOP",
        ]  # fmt: skip
        assert [r["agency"] for r in rows(platform, "group_by=agency&agency=TOP")] == [
            "TOP"
        ]

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("month=2026-13", "bad_month"),
            ("month=9999-12", "bad_month"),
            ("month=x", "bad_month"),
            ("month=2026-03&from=2026-03-01", "bad_range"),
            ("from=2026-03-02&to=2026-03-01", "bad_range"),
            ("from=2026-03-02&to=2026-03-02", "bad_range"),
            ("from=soon", "invalid"),
            ("from=2026-W10-1", "invalid"),
            ("group_by=colour", "unknown_group"),
            ("meter=nope", "unknown_meter"),
            ("agent=%00", "invalid"),
            ("downline=perhaps", "invalid"),
        ],
    )
    def test_says_which_filter_is_wrong(self, top, query, code):
        answer = top.get(f"{PATH}?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["field"] in query

    def test_refuses_more_rows_than_anybody_reads(self, top, monkeypatch):
        monkeypatch.setattr("billing.metering.queries.usage.MOST_TOTALS", 2)

        answer = top.get(f"{PATH}?group_by=day,agent,meter")

        assert (answer.status_code, answer.json()["code"]) == (422, "too_many_rows")

    def test_needs_its_scope(self, caller, downline):
        client = caller(downline[0], ["usage:write", "invoices:read"])

        assert client.get(PATH).status_code == 403
        assert client.get(EVENTS).status_code == 403

    def test_takes_as_many_queries_for_much_as_for_little(self, top, downline):
        def count():
            with CaptureQueriesContext(connection) as queries:
                rows(top, "group_by=day,agent,meter,agency&downline=true")
            return len(queries)

        count()  # the first use of a key is noted
        before = count()
        use(*(call("TOP", occurred_at=NOON + timedelta(days=n)) for n in range(15)))

        assert count() == before


class TestTotals:
    details = st.tuples(
        st.sampled_from(["TOP", "BELOW"]),
        st.sampled_from(["ana", None]),
        st.sampled_from(["voice.out", "voice.out.intl", "sms.segment"]),
        st.sampled_from(["power", "manual", ""]),
        st.integers(0, 25),
        st.integers(0, 4_000_000),
    )

    @given(st.lists(details, min_size=1, max_size=30))
    @EXAMPLES
    def test_by_any_grouping_sum_to_the_same(self, downline, payload):
        groupings = [
            names for size in range(len(GROUPS) + 1)
            for names in combinations(GROUPS, size)
        ]  # fmt: skip
        with rolled_back():
            use(*(self.event(*row) for row in payload))
            sums = {self.sums(downline, names) for names in groupings}
            events = list(UsageEvent.objects.exclude(agency__code="OTHER"))

        assert sums == {
            (
                len(events),
                sum(event.raw for event in events),
                sum(event.billable for event in events),
            )
        }

    def event(
        self, agency: str, agent: Any, meter: str, mode: str, day: int, much: int
    ):
        return call(
            agency, agent=agent, meter=meter, properties={"dial_mode": mode},
            occurred_at=datetime(2026, 3, 1, 16, tzinfo=UTC) + timedelta(days=day),
            quantity=Decimal(much) / 1000,
        )  # fmt: skip

    def sums(self, downline: Any, names: Any) -> tuple[Any, ...]:
        totals = usage_totals(
            agency_ids=[agency.pk for agency in downline[:2]],
            dates=month_range(MARCH),
            group_by=names,
        )
        assert len({tuple(total.group.items()) for total in totals}) == len(totals)
        return (
            sum(total.events for total in totals),
            sum(total.raw for total in totals),
            sum(total.billable for total in totals),
        )


class TestEvents:
    def test_say_what_was_sent_and_what_it_counted(self, top):
        answer = top.get(f"{EVENTS}?meter=voice.out&order=oldest").json()

        assert answer["next"] is None
        assert answer["results"][0] == {
            "id": "TOP-1",
            "source": "/dialer/test",
            "agency": "TOP",
            "agent": None,
            "meter": "voice.out",
            "dial_mode": "power",
            "occurred_at": "2026-03-10T16:00:00Z",
            "quantity": "135",
            "billable": "180",
            "used_on": "2026-03-10",
            "received_at": "2026-03-31T12:00:00Z",
            "properties": {"dial_mode": "power"},
            "reversal": False,
            "supersedes": None,
        }

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("agent=ana", 1), ("agent=", 2), ("meter=sms.segment", 1),
            ("dial_mode=power", 2), ("month=2026-03", 3), ("from=2026-03-12", 1),
            ("to=2026-03-12", 2), ("agency=BELOW&agent=ana", 1), ("month=2026-02", 0),
        ],
    )  # fmt: skip
    def test_are_narrowed(self, top, query, expected):
        assert len(top.get(f"{EVENTS}?{query}").json()["results"]) == expected

    def test_elsewhere_are_not_there(self, top, caller):
        assert top.get(f"{EVENTS}?agency=OTHER").status_code == 404
        assert caller(None, SCOPES).get(EVENTS).json()["field"] == "agency"

    @pytest.mark.parametrize("order", ["newest", "oldest"])
    def test_come_page_by_page_each_once_with_many_on_one_date(self, top, order):
        use(*(call("TOP", id=f"same-{n}") for n in range(40)))
        url, seen, pages = f"{EVENTS}?limit=7&order={order}", [], 0
        while url:
            answer = top.get(url).json()
            seen += answer["results"]
            pages += 1
            if pages == 2:  # nothing moves for what comes in meanwhile
                use(call("TOP", id="meanwhile", occurred_at=NOON - timedelta(days=3)))
            url = answer["next"] and answer["next"].removeprefix("http://testserver")

        days = [event["used_on"] for event in seen]
        assert days == sorted(days, reverse=order == "newest")
        ids = [event["id"] for event in seen if event["id"] != "meanwhile"]
        assert len(set(ids)) == len(ids) == 43

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("cursor=x", "bad_cursor"),
            ("cursor=", "bad_cursor"),
            ("cursor=newest 2026-03-10 1:AAAA", "bad_cursor"),
            ("limit=0", "bad_limit"),
            ("limit=-1", "bad_limit"),
            ("limit=%F0%9D%9F%99", "bad_limit"),
            ("order=sideways", "bad_order"),
            ("from=2026-03-02&to=2026-03-01", "bad_range"),
            ("month=2026-00", "bad_month"),
        ],
    )
    def test_say_which_filter_is_wrong(self, top, query, code):
        answer = top.get(f"{EVENTS}?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, code)

    def test_refuse_a_cursor_that_was_changed_or_is_of_the_other_order(self, top):
        following = top.get(f"{EVENTS}?limit=1").json()["next"]
        query = urlsplit(following).query
        assert top.get(f"{EVENTS}?{query}").status_code == 200

        for wrong in (
            query.replace("cursor=", "cursor=W"),
            query.replace("&limit", "x&limit"),
            f"{query}&order=oldest",
        ):
            answer = top.get(f"{EVENTS}?{wrong}")
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_cursor")

    def test_say_that_one_takes_another_back(self, top, downline):
        event = UsageEvent.objects.get(external_id="TOP-1")
        UsageEvent.objects.create(
            id=event.id + 10**9, used_on=event.used_on, agency_id=event.agency_id,
            agent=None, meter_id=event.meter_id, breakdown="power", owner=0,
            source=event.source, external_id="TOP-1", occurred_at=event.occurred_at,
            received_at=NOON, raw=-135, billable=-180, properties={},
            cutoff=event.cutoff, reverses=event.id,
        )  # fmt: skip

        (newest, *_) = top.get(f"{EVENTS}?to=2026-03-11").json()["results"]

        assert (newest["reversal"], newest["quantity"]) == (True, "-135")

    def test_take_as_many_queries_for_many_as_for_few(self, top):
        def count():
            with CaptureQueriesContext(connection) as queries:
                assert top.get(EVENTS).status_code == 200
            return len(queries)

        count()  # the first use of a key is noted
        before = count()
        use(*(call("TOP", agent="ana") for _ in range(30)))

        assert count() == before
