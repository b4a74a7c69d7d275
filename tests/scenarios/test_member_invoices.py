"""Members read invoices: the page, what is behind a line, two months, the account."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.accounts.services import set_payer_shares
from tests.build import (
    APRIL,
    MARCH,
    MARCH_1,
    MAY,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
)
from tests.members import csv_of, member, panels_of, text_of
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
