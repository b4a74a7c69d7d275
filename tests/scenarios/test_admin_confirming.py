"""What actions of the admin say before they happen, and after."""

from typing import Any

import pytest
from django.urls import reverse

from billing.invoicing.models.documents import Document
from billing.pricing.models import Meter, PriceList
from seats.models import Agency
from tests.build import (
    MARCH,
    MAY,
    bill,
    documents_of,
    make_agency,
    make_draft_list,
    make_prices,
    make_seats,
)
from tests.staff import confirm

pytestmark = pytest.mark.django_db
DOCUMENTS = reverse("admin:billing_document_changelist")


def result_of(staff: Any, action: str, *rows: Document) -> str:
    content = {"action": action, "_selected_action": [row.pk for row in rows]}
    page = confirm(staff, DOCUMENTS, content)
    return " ".join(str(message) for message in page.context["messages"])


class TestCounts:
    def test_say_what_was_issued_and_what_had_been_before(self, staff, settings):
        make_prices()
        for code in ("ONE", "TWO", "THREE"):
            make_seats(make_agency(code), "ana")
        bill(MARCH)
        first, *others = Document.objects.order_by("pk")

        assert result_of(staff, "issue", first) == "1 issued."
        assert result_of(staff, "issue", first) == "0 issued, 1 was already issued."
        both = result_of(staff, "issue", first, *others)
        assert both == "2 issued, 1 was already issued."

    def test_say_what_was_refused_and_why(self, staff, billed):
        first, second = documents_of(Agency.objects.get(code="SUNRISE"))

        assert result_of(staff, "void", second) == "1 voided."
        result = result_of(staff, "void", first, second)

        assert result == (
            "1 voided, 1 refused. SUNRISE-00002: SUNRISE-00002 is void and cannot be"
            " voided. Only open and uncollectible documents, and paid ones with a total"
            " of 0.00, can be voided."
        )
        refused = result_of(staff, "issue", first)
        assert refused.startswith("0 issued, 1 refused.")


class TestPriceLists:
    URL = reverse("admin:billing_pricelist_changelist")

    def test_that_leave_out_meters_say_so_first_and_are_refused(self, staff):
        make_prices()
        poor = make_draft_list("POOR", starts_on=MAY.replace(year=2036), meters=1)
        content = {"action": "publish", "_selected_action": [poor.pk]}

        page = staff.post(self.URL, content).content.decode()
        done = confirm(staff, self.URL, content)

        assert "Meters with a rate: 1, of 11 on STD-2026-01." in page
        assert "has no rate for ai.minute, amd," in page
        assert "50.00 USD before, 60.00 USD after" in page
        texts = [str(message) for message in done.context["messages"]]
        assert texts[0] == "0 published, 1 refused."
        assert "POOR has no rate for ai.minute" in texts[1]
        assert PriceList.objects.get(code="POOR").state == "draft"

    def test_that_are_published_get_no_more_rates(self, staff):
        published = make_prices()
        draft = make_draft_list("NEXT", starts_on=MAY)
        meter = Meter.objects.create(
            code="fax", name="Fax", raw_unit="page", billed_unit="page"
        )
        content = {
            "price_list": published.pk, "meter": meter.pk, "model": "per_unit",
            "unit_price": "1", "minimum": "0", "increment": "1", "unit_size": "1",
            "included_per_seat": "0", "tiers-TOTAL_FORMS": "0",
            "tiers-INITIAL_FORMS": "0",
        }  # fmt: skip

        page = staff.post(reverse("admin:billing_rate_add"), content)

        assert "Select a valid choice" in page.content.decode()
        content["price_list"] = draft.pk
        staff.post(reverse("admin:billing_rate_add"), content)
        assert draft.rates.filter(meter=meter).exists()


class TestVoiding:
    def test_names_the_document_its_amount_and_what_follows(self, staff, billed):
        first, _ = documents_of(Agency.objects.get(code="SUNRISE"))
        content = {"action": "void", "_selected_action": [first.pk]}

        page = staff.post(DOCUMENTS, content).content.decode()

        assert "Invoice SUNRISE-00001 of SUNRISE for 1,500.00 USD will be void" in page
        assert "0.00 USD is owed instead of 1,500.00 USD" in page
        assert "is billed again on the next document" in page


class TestSeats:
    def test_show_what_they_cost_before_and_after(self, staff, billed):
        agency = Agency.objects.get(code="SUNRISE")
        seat = agency.seats.get(agent__external_id="agent-1")
        url = reverse("admin:seats_seat_changelist")
        on = {"on_year": "2026", "on_month": "3", "on_day": "9", "on": "2026-03-09"}
        content = {"action": "remove", "_selected_action": [seat.pk], "reason": "x"}

        page = staff.post(url, {**content, **on, "apply": "1"}).content.decode()

        sentence = (
            "These seats of SUNRISE in the whole of March 2026: 31 seat days, 50.00 USD"
            " become 8 seat days, 12.90 USD."
        )
        assert sentence in page
        assert seat.versions.count() == 1
