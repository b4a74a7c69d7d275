"""Billing a month again while a newer one is billed too: nothing lost, nothing twice."""

import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core.management import call_command

from billing.accounts.models import Watermark
from billing.accounts.services import set_payer_shares
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.models.runs import RunItem
from billing.invoicing.services.documents import issue_document
from seats.roster.services.seats import remove_seats
from tests.build import (
    APRIL,
    MARCH,
    MAY,
    bill,
    call,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
    totals,
    use,
)

pytestmark = pytest.mark.django_db
MAY_5 = datetime(2026, 5, 5, 15, tzinfo=UTC)
JUNE_5 = datetime(2026, 6, 5, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture
def agency():
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    bill(MARCH)
    bill(APRIL)
    return agency


def run_bill(month, *, now, **options):
    """The exit code of the command, and what it printed."""
    out = io.StringIO()
    code: object = 0
    with time_machine.travel(now):
        try:
            call_command("bill", f"--month={month}", stdout=out, **options)
        except SystemExit as left:
            code = left.code
    return code, out.getvalue()


def use_late_in_april():
    late = datetime(2026, 4, 20, 16, tzinfo=UTC)
    use(call(agent="ana", occurred_at=late), now=MAY_5)


class TestAnOlderMonth:
    def test_bills_late_facts_of_the_newer_month_on_a_document_of_that_month(
        self, agency
    ):
        use_late_in_april()

        code, out = run_bill("2026-03", now=MAY_5)

        assert (code, out) == (
            0, "2026-03: 1 payers done, 0 in review, 0 parked; 1 documents\n",
        )  # fmt: skip
        late = documents_of(agency)[-1]
        assert (late.month, late.total) == (APRIL, Decimal("0.05"))
        (line,) = late.lines.all()
        assert (line.month, line.late) == (APRIL, True)
        assert Watermark.objects.get().billed_through == APRIL
        report = verify_everything()
        assert (report.findings, report.pending_facts) == ([], 0)

    def test_again_and_the_newer_one_after_it_write_nothing_more(self, agency):
        use_late_in_april()
        run_bill("2026-03", now=MAY_5)
        before = totals(agency)

        for month in ("2026-03", "2026-04", "2026-03"):
            assert run_bill(month, now=MAY_5)[0] == 0

        assert totals(agency) == before
        bill(MAY)
        assert totals(agency) == [*before, Decimal(100)]
        assert verify_everything().findings == []

    def test_bills_late_facts_of_both_months_together(self, agency):
        use_late_in_april()
        seats = list(agency.seats.filter(agent__external_id="ben"))
        remove_seats(seats=seats, on=date(2026, 3, 26), actor="owner", now=MAY_5)

        run_bill("2026-03", now=MAY_5)

        assert documents_of(agency)[-1].month == APRIL
        assert {line.month for line in documents_of(agency)[-1].lines.all()} == {
            MARCH, APRIL,
        }  # fmt: skip
        assert verify_everything().findings == []

    def test_bills_a_month_of_a_newly_paid_agency_before_late_facts_of_a_newer_one(
        self, agency, settings
    ):
        """Late lines of April stand on no document of March, also under review."""
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": timedelta(days=2)}
        other = make_agency("OTHER", now=MAY_5)
        make_seats(other, "cara", on=MARCH, now=MAY_5)
        set_payer_shares(
            agency=other, shares={agency: Decimal(100)}, starts_on=MARCH,
            actor="test", now=MAY_5,
        )  # fmt: skip
        use_late_in_april()

        for _ in range(4):
            assert run_bill("2026-05", now=JUNE_5)[0] == 0
            for draft in documents_of(agency):
                issue_document(document_id=draft.pk, now=JUNE_5)

        assert not RunItem.objects.filter(state="parked").exists()
        months = [document.month for document in documents_of(agency)[2:]]
        assert months == [MARCH, APRIL, MAY]
        late = DocumentLine.objects.get(late=True)
        assert (late.document.month, late.amount) == (APRIL, Decimal("0.05"))
        report = verify_everything()
        assert (report.findings, report.pending_facts) == ([], 0)


class TestParkedPayers:
    def test_are_named_with_the_reason_and_the_command_exits_with_3(self):
        make_prices()
        first, other = make_agency("FIRST"), make_agency("EURO", currency="EUR")
        make_seats(first, "ana")
        make_seats(other, "ben")

        code, out = run_bill("2026-03", now=MAY_5)

        assert code == 3
        assert out.splitlines()[0] == (
            "2026-03: 1 payers done, 0 in review, 1 parked; 1 documents"
        )
        assert out.splitlines()[1].startswith("parked EURO: price_missing ")
