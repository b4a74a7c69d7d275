"""Members see what is behind a line, compare months, and read account and prices."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.invoicing.models.documents import DocumentLine
from tests.build import documents_of, make_other_prices
from tests.members import csv_of, panels_of, text_of
from tests.scenarios.test_member_invoices import now, owner, page_of, sunrise

__all__ = ["now", "owner", "sunrise"]
pytestmark = pytest.mark.django_db


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

        def rows_of(**query):
            panel = panels_of(owner.get(url, query))["calls"]
            return len(panel.table.rows) if panel.table else None

        assert rows_of(day="2026-04-09") == 9
        assert rows_of(day="2026-04-10") == 0
        assert rows_of(day="2026-03-10") == 0
        assert rows_of(day="nonsense") == 0
        assert rows_of(agent="ben", day="2026-04-09") == 9
        assert rows_of(agent="nobody") == 0
        assert rows_of(agent="none") == 0
        assert rows_of(agent="ben", q="POWER") == 9
        assert rows_of(agent="ben", q="zzz") == 0
        assert rows_of(agent="\0") == 0
        assert rows_of() is None

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
