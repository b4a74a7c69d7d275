"""Drafts under review: issued, discarded, and the months that wait for them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.documents import (
    DocumentNotDraft,
    NotVoidable,
    discard_draft,
    issue_document,
    issue_due,
    void_document,
)
from billing.invoicing.services.previews import (
    PlannedRemoval,
    PlannedSeats,
    preview_documents,
)
from billing.invoicing.services.runs import release_item, start_run
from billing.invoicing.signals import documents_issued
from billing.invoicing.verification.services import verify_books
from billing.pricing.models import PriceList
from billing.pricing.services import publish_price_list
from seats.models import SeatVersion
from seats.roster.services.seats import cancel_seats, remove_seats
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY,
    MAY_2,
    bill,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
    totals,
)

pytestmark = pytest.mark.django_db
REVIEW = timedelta(days=2)


@pytest.fixture
def agency(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": REVIEW}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    return agency


class TestReview:
    def test_a_draft_has_no_number_and_is_issued_when_the_review_is_over(self, agency):
        run = bill(MARCH, now=APRIL_2)
        (draft,) = documents_of(agency)
        assert (draft.state, draft.number, run.finished_at) == ("draft", None, None)

        assert issue_due(now=APRIL_2 + REVIEW - timedelta(seconds=1)) == 0
        assert issue_due(now=APRIL_2 + REVIEW) == 1
        bill(MARCH, now=APRIL_2 + REVIEW)

        (invoice,) = documents_of(agency)
        assert (invoice.label, invoice.state) == ("SUNRISE-00001", "open")
        assert not BillingRun.objects.filter(finished_at=None).exists()
        assert verify_books().findings == []

    def test_one_that_cannot_be_issued_keeps_no_other_waiting(self, agency):
        other = make_agency("OTHER")
        make_seats(other, "ben")
        bill(MARCH, now=APRIL_2)

        def refuse(payers, **_):
            if agency.pk in payers:
                raise DocumentNotDraft("not now")

        documents_issued.connect(refuse)
        try:
            assert issue_due(now=APRIL_2 + REVIEW) == 1
        finally:
            documents_issued.disconnect(refuse)

        states = [documents_of(payer)[0].state for payer in (agency, other)]
        assert states == ["draft", "open"]
        assert issue_due(now=APRIL_2 + REVIEW) == 1

    def test_the_next_month_waits_for_the_draft(self, agency):
        bill(APRIL, now=MAY_2)
        (march,) = documents_of(agency)
        assert march.month == MARCH

        issue_document(document_id=march.pk, now=MAY_2)
        bill(APRIL, now=MAY_2)
        april = documents_of(agency)[1]
        issue_document(document_id=april.pk, now=MAY_2)
        bill(APRIL, now=MAY_2)

        assert [d.month for d in documents_of(agency)] == [MARCH, APRIL]
        assert totals(agency) == [Decimal(50), Decimal(50)]
        assert verify_books().findings == []

    def test_issuing_again_changes_nothing(self, agency):
        bill(MARCH, now=APRIL_2)
        (draft,) = documents_of(agency)

        first = issue_document(document_id=draft.pk, now=APRIL_2)
        again = issue_document(document_id=draft.pk, now=MAY_2)

        assert (again.number, again.issued_at) == (first.number, APRIL_2)

    def test_a_discarded_draft_is_built_again_with_what_came_meanwhile(self, agency):
        bill(MARCH, now=APRIL_2)
        (draft,) = documents_of(agency)
        seats = list(agency.seats.all())
        remove_seats(seats=seats, on=date(2026, 3, 17), actor="test", now=APRIL_2)

        discard_draft(document_id=draft.pk, actor="staff", now=APRIL_2)
        bill(MARCH, now=APRIL_2, payer=agency)

        (rebuilt,) = documents_of(agency)
        assert rebuilt.total == Decimal("25.81")
        issue_document(document_id=rebuilt.pk, now=APRIL_2)
        bill(MARCH, now=APRIL_2, payer=agency)
        assert not BillingRun.objects.filter(finished_at=None).exists()
        assert verify_books().findings == []

    def test_an_issued_document_cannot_be_discarded(self, agency):
        bill(MARCH, now=APRIL_2)
        (draft,) = documents_of(agency)
        issue_document(document_id=draft.pk, now=APRIL_2)

        with pytest.raises(DocumentNotDraft):
            discard_draft(document_id=draft.pk, actor="staff", now=APRIL_2)

    def test_a_void_document_cannot_be_voided_again(self, agency):
        bill(MARCH, now=APRIL_2)
        (draft,) = documents_of(agency)
        with pytest.raises(NotVoidable):
            void_document(document_id=draft.pk, actor="s", reason="x", now=APRIL_2)
        issue_document(document_id=draft.pk, now=APRIL_2)
        void_document(document_id=draft.pk, actor="s", reason="x", now=APRIL_2)

        with pytest.raises(NotVoidable):
            void_document(document_id=draft.pk, actor="s", reason="x", now=APRIL_2)


class TestTwoRunsOfOnePayer:
    def test_in_one_chunk_lose_nothing_while_one_of_them_is_reviewed(self, agency):
        """April is drafted at the older cut; March, again, has nothing more to bill."""

        def close(now):
            while close_due(now=now):
                pass

        bill(MARCH, now=APRIL_2)
        issue_due(now=APRIL_2 + REVIEW)
        close(APRIL_2 + REVIEW)  # so that March's run is over
        april = start_run(month=APRIL, actor="test", now=MAY_2)
        make_seats(agency, "ben", on=APRIL, now=MAY_2)  # too late for that cut
        march = start_run(month=MARCH, actor="test", now=MAY_2)
        items = RunItem.objects.filter(run__in=[april, march], state="pending")
        assert items.count() == 2

        close(MAY_2)
        assert [draft.state for draft in documents_of(agency)] == ["open", "draft"]
        for days in range(2, 7, 2):
            issue_due(now=MAY_2 + timedelta(days=days))
            close(MAY_2 + timedelta(days=days))

        assert sum(totals(agency)) == 150
        assert verify_books().findings == []


class TestPreview:
    def test_shows_what_a_planned_change_would_cost_and_stores_nothing(self, agency):
        now = datetime(2026, 3, 16, 15, tzinfo=UTC)
        (seat,) = agency.seats.all()

        def total(*planned):
            (document,) = preview_documents(
                payer=agency, month=MARCH, now=now, planned=planned
            )
            return sum(line.amount for line in document.lines)

        assert total() == Decimal("50.00")
        on = date(2026, 3, 17)
        assert total(PlannedSeats(agency, 2, on)) == Decimal("98.39")
        assert total(PlannedRemoval((seat,), on)) == Decimal("25.81")
        assert SeatVersion.objects.count() == 1


class TestUnusualTotals:
    @pytest.fixture
    def strict(self, settings):
        """More than two seats is unusual from three times the largest total on."""
        settings.BILLING = {
            **settings.BILLING,
            "REVIEW_WINDOW": None,
            "OUTLIER_FLOOR_SEATS": 2,
            "OUTLIER_FACTOR": 3,
        }

    def test_are_parked_until_somebody_looked(self, agency, strict):
        bill(MARCH, now=APRIL_2)
        make_seats(agency, *[f"agent{n}" for n in range(9)], on=APRIL, now=APRIL_2)

        bill(APRIL, now=MAY_2)
        item = RunItem.objects.get(state="parked")
        assert (item.code, totals(agency)) == ("unusual_total", [Decimal(50)])
        release_item(item=item, actor="staff", now=MAY_2, accept_outliers=True)
        bill(APRIL, now=MAY_2, payer=agency)

        assert totals(agency) == [Decimal(50), Decimal(500)]
        item.refresh_from_db()
        assert item.state == "released"

    def test_are_parked_where_a_later_month_is_billed_at_once_with_them(
        self, agency, strict
    ):
        bill(MARCH, now=APRIL_2)
        extra = make_seats(
            agency, *[f"agent{n}" for n in range(9)], on=APRIL, now=APRIL_2
        )
        remove_seats(seats=extra, on=MAY, actor="test", now=MAY_2)

        bill(MAY)  # April was never billed

        item = RunItem.objects.get(state="parked")
        assert (item.code, totals(agency)) == ("unusual_total", [Decimal(50)])
        assert item.last_error == (
            "A total of 500.00 USD is more than 3 times the payer's largest so far,"
            " 50.00 USD. Check it, then bill it as it is, or correct the data and bill"
            " again."
        )

    def test_are_not_measured_by_what_was_voided(self, agency, strict):
        bill(MARCH, now=APRIL_2)
        extra = make_seats(
            agency, *[f"agent{n}" for n in range(9)], on=APRIL, now=APRIL_2
        )
        bill(APRIL, now=MAY_2)
        item = RunItem.objects.get(state="parked")
        release_item(item=item, actor="staff", now=MAY_2, accept_outliers=True)
        bill(APRIL, now=MAY_2, payer=agency)
        void_document(
            document_id=documents_of(agency)[1].pk, actor="staff", reason="typo",
            now=MAY_2,
        )  # fmt: skip
        cancel_seats(seats=extra, actor="staff", now=MAY_2, reason="typo", staff=True)
        make_seats(agency, *[f"other{n}" for n in range(9)], on=MAY, now=MAY_2)

        bill(MAY)

        assert RunItem.objects.filter(state="parked").exists()

    def test_begin_at_the_price_of_as_many_seats_in_every_currency(self, settings):
        """Three seats for 22,500 yen are no more than three for 150 dollars."""
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        settings.BILLING = {**settings.BILLING, "OUTLIER_FACTOR": 2}
        make_prices()
        yen = PriceList.objects.create(
            code="YEN", currency="JPY", starts_on=MARCH, seat_price=Decimal(7500),
        )  # fmt: skip
        publish_price_list(price_list=yen, now=datetime(2025, 12, 1, tzinfo=UTC))
        agency = make_agency("TOKYO", zone="Asia/Tokyo", currency="JPY")
        make_seats(agency, "aiko")
        bill(MARCH)
        make_seats(agency, "ben", "chie", on=APRIL, now=APRIL_2)

        bill(APRIL)
        assert totals(agency) == [Decimal(7500), Decimal(22500)]
        names = [f"agent{n}" for n in range(198)]
        make_seats(agency, *names, on=MAY, now=MAY_2)
        bill(MAY)

        assert RunItem.objects.get(state="parked").code == "unusual_total"
