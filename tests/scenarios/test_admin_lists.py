"""The lists of the admin: found by printed numbers, small with many agencies, exact."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoicing.models.documents import Document
from billing.receivables.services.payments import receive_payment
from seats.models import Agency, User
from tests.build import (
    APRIL_2,
    make_prices,
)

pytestmark = pytest.mark.django_db
DOCUMENTS = reverse("admin:billing_document_changelist")
MANY = 10_000  # agencies
LARGEST = 400_000  # bytes of a page; the theme needs 6 kB for a row
QUERIES = 14


def shown(staff: Any, url: str, **query: str) -> list[str]:
    """What stands in the first column, from the top."""
    page = staff.get(url, query).content.decode()
    cells = re.findall(r'<th class="[^"]*field-__str__[^"]*".*?</th>', page, re.DOTALL)
    return [re.sub(r"<[^>]*>", "", cell).strip() for cell in cells]


class TestDocuments:
    def test_are_listed_newest_first(self, staff, billed):
        newest, *_, oldest = shown(staff, DOCUMENTS)

        assert newest.endswith("-00002")
        assert oldest.endswith("-00001")

    @pytest.mark.parametrize(
        ("term", "labels"),
        [
            ("SUNRISE-00002", {"SUNRISE-00002"}),
            ("sunrise-00002", {"SUNRISE-00002"}),
            (" SUNRISE-00002 ", {"SUNRISE-00002"}),
            ("SUN-2-00001", {"SUN-2-00001"}),
            ("00002", {"SUNRISE-00002", "SUN-2-00002"}),
            ("2", {"SUNRISE-00002", "SUN-2-00001", "SUN-2-00002"}),
            ("SUNRISE", {"SUNRISE-00001", "SUNRISE-00002"}),
            ("SUNRISE-00009", set()),
            ("SUNRISE-99999999999999999999", set()),
            ("-00002", set()),
            ("\u0662", set()),
        ],
    )
    def test_are_found_by_printed_number(self, staff, billed, term, labels):
        assert set(shown(staff, DOCUMENTS, q=term)) == labels

    def test_are_filtered_by_month(self, staff, billed):
        page = staff.get(DOCUMENTS).content.decode()

        assert page.index("?month=2026-04") < page.index("?month=2026-03")
        march = shown(staff, DOCUMENTS, month="2026-03")
        assert sorted(march) == ["SUN-2-00001", "SUNRISE-00001"]
        assert shown(staff, DOCUMENTS, month="nonsense") == []

    def test_show_amounts_with_separators_and_their_currency(self, staff, billed):
        page = staff.get(DOCUMENTS).content.decode()

        assert '<span class="money">1,500.00 USD</span>' in page

    def test_are_offered_in_boxes_while_money_is_owed(self, staff, billed):
        paid = Document.objects.get(payer__code="SUNRISE", number=1)
        receive_payment(
            payer=paid.payer, amount=paid.total, currency="USD", processor="manual",
            reference="M1", document=paid, now=APRIL_2,
        )  # fmt: skip
        page = {
            "term": "SUNRISE", "app_label": "billing", "model_name": "paymentattempt",
            "field_name": "invoice",
        }  # fmt: skip

        answer = staff.get(reverse("admin:autocomplete"), page).json()

        assert [row["text"] for row in answer["results"]] == ["SUNRISE-00002"]

    def test_other_lists_are_found_by_the_number_too(self, staff, billed):
        invoice = Document.objects.get(payer__code="SUNRISE", number=2)
        receive_payment(
            payer=invoice.payer, amount=Decimal(10), currency="USD", processor="manual",
            reference="M1", document=invoice, now=APRIL_2,
        )  # fmt: skip
        url = reverse("admin:billing_payment_changelist")

        assert shown(staff, url, q="SUNRISE-00002") == ["manual M1"]
        assert shown(staff, url, q="SUNRISE-00001") == []


@pytest.fixture
def ten_thousand(db):
    make_prices()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO seats_agency (code, name, currency, created_at)"
            " SELECT 'MANY' || n, 'Agency of many ' || n, 'USD', now()"
            f" FROM generate_series(1, {MANY}) AS n"
        )
        cursor.execute(
            "INSERT INTO seats_cutoffcounter (agency_id, cutoff) SELECT id, 1 FROM seats_agency"
        )
        cursor.execute(
            "INSERT INTO seats_agencyzone (agency_id, zone, starts_on, recorded_at)"
            " SELECT id, 'UTC', '2020-01-01', now() FROM seats_agency"
        )
        cursor.execute(
            "INSERT INTO billing_billingaccount (payer_id, billing_name, address, email,"
            " tax_id, next_number, last_hash)"
            " SELECT id, name, '', '', '', 1, '' FROM seats_agency"
        )


def test_no_page_grows_with_the_number_of_agencies(client, ten_thousand):
    client.force_login(User.objects.create_superuser("staff@example.com", "x"))
    client.get(reverse("admin:index"))
    agency = Agency.objects.get(code="MANY1")
    too_large = {}

    pages = [reverse("admin:seats_agency_change", args=[agency.pk])]
    for model, model_admin in admin.site._registry.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages.append(reverse(f"{name}_changelist"))
        if model_admin.has_add_permission(_request(client)):
            pages.append(reverse(f"{name}_add"))
    for url in pages:
        with CaptureQueriesContext(connection) as queries:
            page = client.get(url)
        assert page.status_code == 200, url
        if len(page.content) > LARGEST or len(queries) > QUERIES:
            too_large[url] = (len(page.content), len(queries))
    move = {"action": "move", "_selected_action": [agency.pk]}
    page = client.post(reverse("admin:seats_agency_changelist"), move)
    assert len(page.content) < LARGEST

    assert too_large == {}


def _request(client: Any) -> Any:
    return client.get(reverse("admin:index")).wsgi_request
