"""An agency's first two months, as it would tell them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from billing.collection.verification.money import verify_everything
from billing.invoicing.services.documents import void_document
from seats.roster.services.seats import remove_seats
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY_2,
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


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


class TestTwoMonths:
    def test_a_late_call_and_a_backdated_removal_show_on_the_next_invoice(self):
        make_prices()
        agency = make_agency()
        seats = make_seats(agency, "ana", "ben", on=date(2026, 3, 16))
        use(call(agent="ana"), call(agent="ben", quantity=Decimal(45)))
        bill(MARCH)
        remove_seats(seats=seats[:1], on=date(2026, 3, 26), actor="owner", now=APRIL_2)
        use(call(agent="ben", quantity=Decimal(60)), now=APRIL_2)

        bill(APRIL)

        # 2 x 16 days of 31, and 4 minutes; then one seat, less 6 days, and a minute
        assert totals(agency) == [Decimal("51.68"), Decimal("40.35")]
        late = [line for line in documents_of(agency)[1].lines.all() if line.late]
        assert [(line.amount_before, line.amount_now) for line in late] == [
            (Decimal("51.61"), Decimal("41.94")),
            (Decimal("0.07"), Decimal("0.09")),
        ]
        assert verify_everything().findings == []

    def test_an_agency_that_left_gets_a_correction_credit_note(self):
        make_prices()
        agency = make_agency()
        seats = make_seats(agency, "ana")
        now = datetime(2026, 3, 30, tzinfo=UTC)
        remove_seats(seats=seats, on=date(2026, 3, 31), actor="owner", now=now)
        bill(MARCH)
        remove_seats(seats=seats, on=date(2026, 3, 21), actor="owner", now=APRIL_2)

        bill(APRIL)

        note = documents_of(agency)[1]
        assert (note.kind, note.total) == ("correction", Decimal("-16.13"))
        assert note.label == "SUNRISE-00002"

    def test_a_second_run_of_a_month_writes_nothing(self):
        make_prices()
        agency = make_agency()
        make_seats(agency, "ana")
        bill(MARCH)

        again = bill(MARCH)

        assert again.finished_at is not None
        assert totals(agency) == [Decimal("50.00")]

    def test_a_voided_invoice_is_billed_again(self):
        make_prices()
        agency = make_agency()
        make_seats(agency, "ana")
        bill(MARCH)
        first = documents_of(agency)[0]

        void_document(document_id=first.pk, actor="staff", reason="wrong", now=APRIL_2)
        bill(APRIL, now=MAY_2)

        assert totals(agency) == [Decimal("50.00"), Decimal("100.00")]
        assert verify_everything().findings == []

    def test_months_that_were_never_billed_come_first_one_document_each(self):
        make_prices()
        agency = make_agency()
        make_seats(agency, "ana")

        bill(APRIL)

        months = [document.month for document in documents_of(agency)]
        assert months == [MARCH, APRIL]
