"""Members read invoices: the page, what is behind a line, two months, the account."""

import csv
import io
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import DocumentLine
from tests.build import (
    APRIL,
    MARCH,
    MARCH_1,
    MAY,
    bill,
    documents_of,
    make_agency,
    make_other_prices,
    make_prices,
    make_seats,
)
from tests.members import member
from tests.two_months import make_two_months

pytestmark = pytest.mark.django_db
MAY_3 = datetime(2026, 5, 3, 15, tzinfo=UTC)


@pytest.fixture
def now():
    with time_machine.travel(MAY_3, tick=False) as traveller:
        yield traveller


@pytest.fixture
def sunrise(no_review, now):
    make_prices()
    return make_two_months()


@pytest.fixture
def owner(sunrise):
    return member(sunrise, "owner")


def page_of(document):
    return f"/agency/billing/document/{document.pk}/change/"


def panels_of(answer):
    return {panel.key: panel for panel in answer.context["panels"]}


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def csv_of(answer):
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


class TestList:
    def test_is_newest_first_with_the_state_in_words(self, owner, sunrise):
        answer = owner.get("/agency/billing/document/")
        rows = [str(row) for row in answer.context["cl"].result_list]
        text = text_of(answer)

        assert rows == ["SUNRISE-00002", "SUNRISE-00001"]
        assert "Partly paid, overdue for" in text
        assert "Due May 16" in text
        assert "2026-05-16 EDT" in text

    def test_has_as_many_queries_for_many(self, owner, sunrise):
        with CaptureQueriesContext(connection) as few:
            owner.get("/agency/billing/document/")
        for n in range(8):
            make_seats(make_agency(f"SUN-{n}", upline=sunrise), f"agent-{n}")
        bill(APRIL)
        with CaptureQueriesContext(connection) as many:
            answer = owner.get("/agency/billing/document/")

        assert len(answer.context["cl"].result_list) == 18
        assert len(many) == len(few)


class TestInvoice:
    def test_says_what_it_is_and_what_is_left(self, owner, sunrise):
        march, _ = documents_of(sunrise)

        answer = owner.get(page_of(march))
        panels, text = panels_of(answer), text_of(answer)

        assert answer.context["title"] == "Invoice SUNRISE-00001"
        assert panels["due"].figure.amount == march.total - 40
        assert "Partly paid, overdue for" in text
        assert "Payment by bank transfer, wire 1" in text
        assert "62 seat days" not in text
        assert "72 seat days" in text
        assert "50.00 USD per seat and month" in text
        assert "0.018 USD per minute" in text
        assert "Predictive dialing 0.00 USD" in text
        assert "2026-04-02 08:00 EDT" in text

    def test_sums_its_sections_to_the_total(self, owner, sunrise):
        for document in documents_of(sunrise):
            panels = panels_of(owner.get(page_of(document)))
            parts = [
                panel.table.total[-1].amount
                for key, panel in panels.items()
                if key.startswith("agency-") or key == "late"
            ]
            assert sum(parts) == document.total

    def test_names_late_where_it_is_late_and_nowhere_else(self, owner, sunrise):
        march, april = documents_of(sunrise)
        first, second = (text_of(owner.get(page_of(row))) for row in (march, april))

        assert "Late amount" not in first
        assert "March 2026 SUNRISE Outbound calls, US and Canada 0.16 USD 0.22 USD" in (
            second
        )

    def test_says_what_changed_in_three_lines_that_sum(self, owner, sunrise):
        march, april = documents_of(sunrise)

        panels = panels_of(owner.get(page_of(april)))
        lines = [text for _, text in panels["changes"].facts]
        amounts = [
            Decimal(text[1:-4]) * (-1 if text[0] == "\N{MINUS SIGN}" else 1)
            for text in lines
        ]

        assert len(lines) == 3
        assert sum(amounts) == april.total - march.total
        assert "changes" not in panels_of(owner.get(page_of(march)))

    def test_gives_its_lines_as_a_file(self, owner, sunrise):
        april = documents_of(sunrise)[1]

        rows = csv_of(owner.get(f"{page_of(april)}?csv=lines"))

        assert [row["late"] for row in rows].count("late") == 1
        assert sum(Decimal(row["amount"]) for row in rows) == april.total
        assert {row["unit"] for row in rows} == {"seat day", "minute"}

    def test_has_as_many_queries_for_many_lines_and_pages_them(self, no_review, now):
        make_prices()
        payer = make_agency()
        owner = member(payer, "owner")
        counts: list[int] = []
        others: list[list[int]] = []
        for n, month in ((3, MARCH), (120, APRIL), (1, MAY)):
            for k in range(n):
                agency = make_agency(f"B{month:%m}-{k}", upline=payer)
                set_payer_shares(
                    agency=agency, shares={payer: Decimal(100)}, starts_on=MARCH,
                    actor="test", now=MARCH_1,
                )  # fmt: skip
                make_seats(agency, f"{month:%m}-{k}", on=month)
            bill(month)
            document = documents_of(payer)[-1]
            with CaptureQueriesContext(connection) as queries:
                answer = owner.get(page_of(document))
            counts.append(len(queries))
            others.append([])
            for path in ("compare/", "account/"):
                with CaptureQueriesContext(connection) as queries:
                    owner.get(f"/agency/{path}")
                others[-1].append(len(queries))
        assert others[1] == others[2]
        more = owner.get(f"{page_of(document)}?page=2")
        first, second = (
            {key for key in panels_of(page) if key.startswith("agency-")}
            for page in (answer, more)
        )

        assert (len(first), len(second), first & second) == (100, 24, set())
        assert abs(counts[0] - counts[1]) <= 2  # a document before to compare with
        assert counts[1] == counts[2]

    def test_takes_any_page_number(self, owner, sunrise):
        document = documents_of(sunrise)[0]
        for page in ("0", "-1", "x", "9" * 40, "2", "\0"):
            assert owner.get(page_of(document), {"page": page}).status_code == 200

    def test_changes_nothing_by_a_post(self, owner, sunrise):
        document = documents_of(sunrise)[0]

        answer = owner.post(page_of(document), {"state": "paid"})

        assert answer.status_code in {403, 404}
        document.refresh_from_db()
        assert document.state == "open"


class TestLine:
    def line(self, document, kind="usage", **where):
        return DocumentLine.objects.get(document=document, kind=kind, **where)

    def url(self, line):
        return f"/agency/billing/document/{line.document_id}/lines/{line.position}/"

    def test_leads_to_the_seats_and_days_behind_it(self, owner, sunrise):
        line = self.line(documents_of(sunrise)[0], "seat")

        table = panels_of(owner.get(self.url(line)))["seats"].table
        rows = csv_of(owner.get(f"{self.url(line)}?csv=seats"))

        assert [(row[0], row[3]) for row in table.rows] == [
            ("ana", 31), ("ben", 31), ("cara", 10),
        ]  # fmt: skip
        assert sum(row[4].amount for row in table.rows) == line.charge
        assert rows[0]["Amount (USD)"] == "50.00"

    def test_leads_to_agents_days_and_calls_in_two_clicks(self, owner, sunrise):
        march = documents_of(sunrise)[0]
        first = owner.get(page_of(march)).content.decode()
        line = self.line(march)
        assert f'href="{self.url(line)}"' in first

        panels = panels_of(owner.get(self.url(line)))
        for key in ("agents", "days"):
            table = panels[key].table
            assert sum(row[-1].amount for row in table.rows) == line.charge
            assert sum(row[-3] for row in table.rows) == line.raw
        links = [row[0].url for row in panels["agents"].table.rows]
        ids = [
            [row[-1] for row in panels_of(owner.get(url))["calls"].table.rows]
            for url in links
        ]

        assert sorted(map(len, ids)) == [1, 1, 1]
        assert ["SUNRISE-ana"] in ids

    def test_finds_calls_by_day_agent_and_text(self, owner, sunrise):
        april = documents_of(sunrise)[1]
        url = f"{self.url(self.line(april, late=False))}calls/"

        def found(**query):
            panel = panels_of(owner.get(url, query))["calls"]
            return len(panel.table.rows) if panel.table else None

        assert found(day="2026-04-09") == 9
        assert found(day="2026-04-10") == 0
        assert found(day="2026-03-10") == 0
        assert found(day="nonsense") == 0
        assert found(agent="ben", day="2026-04-09") == 9
        assert found(agent="nobody") == 0
        assert found(agent="none") == 0
        assert found(agent="ben", q="POWER") == 9
        assert found(agent="ben", q="zzz") == 0
        assert found(agent="\0") == 0
        assert found() is None

    def test_gives_calls_as_a_file_that_sums_to_the_line(self, owner, sunrise):
        april = documents_of(sunrise)[1]
        line = self.line(april, late=False)

        rows = csv_of(owner.get(f"{self.url(line)}calls/?csv=calls"))
        narrowed = csv_of(
            owner.get(f"{self.url(line)}calls/?csv=calls&agent=ben&day=2026-04-10")
        )

        assert sum(Decimal(row["billed"]) for row in rows) == line.billable
        assert rows[0]["time"] == "2026-04-09T12:00:00-04:00"
        assert narrowed == []

    def test_has_as_many_queries_for_many_calls(self, owner, sunrise):
        for path in ("", "calls/?agent=ben"):
            counts = []
            for document in documents_of(sunrise):  # a call of ben's, then nine
                line = self.line(document, late=False)
                with CaptureQueriesContext(connection) as queries:
                    assert owner.get(f"{self.url(line)}{path}").status_code == 200
                counts.append(len(queries))
            assert counts[0] == counts[1]


class TestCompare:
    def test_gives_parts_that_sum_to_the_difference(self, owner, sunrise):
        march, april = documents_of(sunrise)

        panel = panels_of(owner.get("/agency/compare/"))["difference"]
        names = [row[0] for row in panel.table.rows]

        amounts = [row[3].amount for row in panel.table.rows]
        assert sum(amounts) == april.total - march.total
        assert names == [
            "Seats that were there for a part of the month",
            "Outbound calls, US and Canada",
            "Late lines for earlier months",
        ]
        assert panel.table.rows[0][1:3] == ("72 seat days", "90 seat days")

    def test_compares_what_was_chosen(self, owner, sunrise):
        march, april = documents_of(sunrise)
        query = {"before": april.pk, "after": march.pk}

        panel = panels_of(owner.get("/agency/compare/", query))["difference"]

        assert panel.table.total[3].amount == march.total - april.total

    def test_has_nothing_to_say_of_what_is_not_there(self, owner, sunrise):
        for query in ({"before": "9999999"}, {"after": "x"}, {"before": "\0"}):
            panel = panels_of(owner.get("/agency/compare/", query))["difference"]
            assert panel.table is None
        assert owner.get("/agency/compare/", {"agency": "NOBODY"}).status_code == 404
        assert owner.get("/agency/compare/", {"agency": "\0"}).status_code == 404


class TestAccount:
    def test_has_running_balances_from_opening_to_closing(self, owner, sunrise):
        march, april = documents_of(sunrise)

        panels = panels_of(owner.get("/agency/account/"))
        table = panels["statement"].table
        balances = [row[3].amount for row in table.rows]

        assert [str(getattr(row[1], "text", row[1])) for row in table.rows] == [
            "Opening balance", "Invoice SUNRISE-00001", "Payment wire 1",
            "Invoice SUNRISE-00002",
        ]  # fmt: skip
        assert balances == [
            0, march.total, march.total - 40, march.total - 40 + april.total,
        ]  # fmt: skip
        assert panels["balance"].figure.amount == balances[-1]

    def test_opens_with_what_was_before_the_first_date(self, owner, sunrise):
        march, _ = documents_of(sunrise)
        query = {"start": "2026-04-20", "end": "2026-04-30"}

        table = panels_of(owner.get("/agency/account/", query))["statement"].table
        rows = csv_of(owner.get("/agency/account/", {**query, "csv": "statement"}))

        assert table.rows[0][3].amount == march.total - 40
        assert len(table.rows) == 1
        assert rows[0]["What"] == "Opening balance"

    def test_takes_any_dates(self, owner, sunrise):
        for start in ("0001-01-01", "9999-12-31", "x", "\0"):
            query = {"start": start, "end": "9999-12-31"}
            assert owner.get("/agency/account/", query).status_code == 200


class TestPrices:
    def test_are_the_list_in_force_and_those_to_come(self, owner, sunrise):
        make_other_prices(starts_on=date(2026, 8, 1))
        text = text_of(owner.get("/agency/prices/"))

        assert "A seat, from January 2026 50.00 USD a month" in text
        assert "A seat, from August 2026 43.99 USD a month" in text
        assert "0.018 USD per minute" in text
        assert "up to 90: 0.021 USD; above: 0.0155 USD" in text
        assert "9.50 USD per begun 1000 segments" in text
        assert len(csv_of(owner.get("/agency/prices/?csv=rates"))) == 24
