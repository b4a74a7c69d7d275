"""The next invoice and what-if are the real documents to the cent."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.invoicing.models.documents import Document
from seats.models import Agent, Seat, SeatVersion
from seats.roster.services.seats import add_seats, remove_seats
from tests.build import (
    APRIL,
    MARCH,
    bill,
    call,
    documents_of,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)
from tests.members import member, panels_of, text_of

pytestmark = pytest.mark.django_db
URL = "/agency/next-invoice/"
NOW = datetime(2026, 3, 12, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def now():
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def sunrise(no_review):
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben", "cara")
    use(call(agent="ana"), call(agent="ben"), now=NOW)
    return agency


@pytest.fixture
def owner(sunrise):
    return member(sunrise, "owner")


def months(answer):
    return {
        key.removeprefix("month-"): panel.figure.amount
        for key, panel in panels_of(answer).items()
        if key.startswith("month-")
    }


def rows():
    models = (Agent, Seat, SeatVersion, Document)
    return [model.objects.count() for model in models]


class TestAsOfNow:
    def test_is_the_document_that_comes(self, owner, sunrise):
        shown = months(owner.get(URL))

        bill(MARCH)
        bill(APRIL)

        totals = [document.total for document in documents_of(sunrise)]
        assert shown == dict(zip(("2026-03", "2026-04"), totals, strict=True))

    def test_sums_its_lines_and_stores_nothing(self, owner):
        before = rows()

        panel = panels_of(owner.get(URL))["month-2026-03"]

        assert sum(row[-1].amount for row in panel.table.rows) == panel.figure.amount
        assert rows() == before

    def test_says_that_prices_are_missing(self, sunrise):
        paris = make_agency("PARIS", currency="EUR")
        make_seats(paris, "eve")

        answer = member(paris, "owner").get(URL, {"add": 1})

        assert answer.status_code == 200
        assert "Prices of a month are missing" in text_of(answer)


class TestWhatIf:
    def test_is_the_document_that_comes_with_more_seats(self, owner, sunrise):
        before = rows()
        answer = owner.get(URL, {"add": 5, "on": "2026-03-20"})
        shown = months(answer)
        assert rows() == before
        assert panels_of(answer)["plan"].title == "5 more seats from March 20"

        agents = make_agents(sunrise, *(f"new-{n}" for n in range(5)))
        add_seats(agents=agents, on=date(2026, 3, 20), actor="test", now=NOW)
        bill(MARCH)
        bill(APRIL)

        totals = [document.total for document in documents_of(sunrise)]
        assert shown == dict(zip(("2026-03", "2026-04"), totals, strict=True))

    def test_is_the_document_that_comes_with_fewer_seats(self, owner, sunrise):
        shown = months(owner.get(URL, {"remove": 1, "on": "2026-03-20"}))

        newest = Seat.objects.order_by("-added_on", "-pk")[:1]
        remove_seats(seats=list(newest), on=date(2026, 3, 20), actor="test", now=NOW)
        bill(MARCH)
        bill(APRIL)

        totals = [document.total for document in documents_of(sunrise)]
        assert shown == dict(zip(("2026-03", "2026-04"), totals, strict=True))

    def test_gives_the_difference_by_month_that_sums(self, owner):
        answer = owner.get(URL, {"add": 2, "remove": 1, "on": "2026-04-16"})
        table = panels_of(answer)["plan"].table

        differences = [row[3].amount for row in table.rows]
        assert differences == [0, Decimal("25.00")]
        for row in table.rows:
            assert row[2].amount - row[1].amount == row[3].amount

    def test_reaches_the_month_of_the_date(self, owner):
        answer = owner.get(URL, {"add": 1, "on": "2026-09-01"})

        assert list(months(answer))[-1] == "2026-09"

    @pytest.mark.parametrize(
        "query",
        [
            {"add": "-1"}, {"add": "9999"}, {"add": "x"}, {"add": "1e3"},
            {"add": "1", "on": "2026-03-01"}, {"add": "1", "on": "9999-12-31"},
            {"add": "1", "on": "nonsense"}, {"remove": "7\0"}, {"on": "0001-01-01"},
        ],
    )  # fmt: skip
    def test_keeps_what_cannot_be_and_shows_what_is_now(self, owner, query):
        answer = owner.get(URL, query)

        assert answer.status_code == 200
        assert "plan" not in panels_of(answer)
        assert answer.context["filters"].errors

    def test_removes_no_more_seats_than_there_are(self, owner):
        answer = owner.get(URL, {"remove": 50, "on": "2026-03-20"})

        assert panels_of(answer)["plan"].title == "3 fewer seats from March 20"

    def test_has_as_many_queries_for_many_seats(self, owner, sunrise):
        counts = []
        for extra in (0, 40):
            if extra:
                make_seats(sunrise, *(f"more-{n}" for n in range(extra)))
            with CaptureQueriesContext(connection) as queries:
                owner.get(URL, {"add": 30 if extra else 3, "on": "2026-03-20"})
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestWho:
    def test_sees_the_payers_in_reach_and_nothing_of_a_sponsor(self, sunrise):
        top = make_agency("TOP")
        boss, below = member(top, "billing_viewer"), member(sunrise, "owner")

        assert boss.get(URL, {"agency": "SUNRISE"}).status_code == 404
        assert below.get(URL, {"agency": "TOP"}).status_code == 404
