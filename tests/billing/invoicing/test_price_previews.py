"""A preview of prices comes to what bills by these prices come to."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.accounts.services import set_payer_shares
from billing.invoicing.admin import price_pages
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.price_previews import preview_prices
from billing.pricing.models import PriceList
from billing.pricing.queries import WITH_RATES, price_lists_for, terms_of
from seats.models import Agency
from tests.build import (
    MARCH,
    MARCH_1,
    bill,
    call,
    make_agency,
    make_draft_list,
    make_other_prices,
    make_prices,
    make_seats,
    statuses,
    use,
)
from tests.staff import log_in, make_staff, snapshot

pytestmark = pytest.mark.django_db
MAY = date(2026, 5, 1)  # as long as March
SECONDS = (1, 29, 30, 45, 61, 135, 600)


@pytest.fixture(autouse=True)
def issued_as_made(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None,
                        "OUTLIER_FACTOR": 10_000}  # fmt: skip


def make_usage(month: date) -> None:
    at = datetime(month.year, month.month, 10, 16, tzinfo=UTC)
    events = [
        call(code, quantity=Decimal(seconds), occurred_at=at, agent=agent)
        for code in ("A", "B")
        for seconds in SECONDS
        for agent in ("ana", None)
    ]
    events += [
        call("A", meter="sms.segment", quantity=Decimal(1200), occurred_at=at),
        call("B", meter="ai.minute", quantity=Decimal(977), occurred_at=at),
    ]
    wrong = call("A", id=f"wrong-{month}", quantity=Decimal(7), occurred_at=at)
    right = call(
        "A", id=f"right-{month}", quantity=Decimal(91), occurred_at=at,
        supersedes=f"wrong-{month}",
    )  # fmt: skip
    results = use(*events, wrong, right, now=at + timedelta(days=1))
    assert set(statuses(results)) == {"accepted"}


def make_world() -> None:
    """Two agencies with the same March and May, and a payer of a part of one."""
    make_prices()
    top = make_agency("TOP")
    for code in ("A", "B"):
        make_seats(make_agency(code), "ana", "ben")
    a = Agency.objects.get(code="A")
    set_payer_shares(
        agency=a, shares={a: Decimal("62.5"), top: Decimal("37.5")}, starts_on=MARCH,
        actor="test", now=MARCH_1,
    )  # fmt: skip
    make_usage(MARCH)


def terms(code: str):
    return terms_of(PriceList.objects.prefetch_related(*WITH_RATES).get(code=code))


def billed(month: date) -> dict[str, Decimal]:
    rows = Document.objects.filter(month=month)
    return dict(rows.values_list("payer__code", "subtotal"))


def lines_of(response: Any) -> list[str]:
    return b"".join(response.streaming_content).decode().splitlines()


class TestPreviewPrices:
    def test_comes_to_what_bills_by_either_list_come_to(self):
        make_world()
        other = make_other_prices(starts_on=MAY)
        make_usage(MAY)
        for month in (MARCH, date(2026, 4, 1), MAY):
            bill(month)
        lists = price_lists_for(currencies=["USD"], months=[MARCH])

        previews = list(
            preview_prices(
                payer_ids=[a.pk for a in Agency.objects.all()],
                month=MARCH,
                before=lists["USD", MARCH],
                after=terms(other.code),
                recorded=lists["USD", MARCH],
            )
        )

        codes = dict(Agency.objects.values_list("pk", "code"))
        before = {codes[p.payer_id]: p.total_before for p in previews}
        after = {codes[p.payer_id]: p.total_after for p in previews}
        assert before == billed(MARCH)
        assert after == billed(MAY)
        assert before != after
        assert all(p.difference == p.total_after - p.total_before for p in previews)

    def test_comes_to_the_same_for_the_same_list(self):
        make_world()
        lists = price_lists_for(currencies=["USD"], months=[MARCH])
        same = lists["USD", MARCH]

        previews = preview_prices(
            payer_ids=[a.pk for a in Agency.objects.all()], month=MARCH, before=same,
            after=same, recorded=same,
        )  # fmt: skip

        assert [p.difference for p in previews] == [0, 0, 0]

    def test_takes_as_many_queries_for_many_as_for_few(self):
        make_world()
        lists = price_lists_for(currencies=["USD"], months=[MARCH])
        other = terms(make_other_prices(starts_on=MAY).code)
        counts = []
        for more in (0, 6):
            for n in range(more):
                make_seats(make_agency(f"M{n}"), "ana")
            with CaptureQueriesContext(connection) as queries:
                rows = preview_prices(
                    payer_ids=[a.pk for a in Agency.objects.all()], month=MARCH,
                    before=lists["USD", MARCH], after=other, recorded=None,
                )  # fmt: skip
                assert len(list(rows)) == 3 + more
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestThePage:
    @pytest.fixture(autouse=True)
    def in_april(self):
        with time_machine.travel(datetime(2026, 4, 9, 12, tzinfo=UTC)):
            yield

    @pytest.fixture
    def draft(self):
        make_world()
        return make_draft_list("NEXT", starts_on=date(2026, 8, 1))

    def panel(self, page, key):
        return next(panel for panel in page.context["panels"] if panel.key == key)

    def test_shows_every_payer_and_sums_that_agree(self, draft):
        url = reverse("admin:price_list_preview", args=[draft.pk])
        staff = log_in(make_staff())
        before = snapshot()

        page = staff.get(url)

        assert snapshot() == before
        assert "March 2026" in page.context["title"]
        payers = self.panel(page, "payers").table.rows
        totals = self.panel(page, "totals").table
        assert len(payers) == 3
        for column in (1, 2, 3):
            by_payer = sum(row[column].amount for row in payers)
            assert totals.total[column].amount == by_payer
            assert sum(row[column].amount for row in totals.rows) == by_payer
        assert len(lines_of(staff.get(url, {"csv": "payers"}))) == 4

    def test_computes_only_the_largest_of_many_and_says_so(self, draft, monkeypatch):
        bill(MARCH)
        monkeypatch.setattr(price_pages, "MOST_PAYERS", 1)
        url = reverse("admin:price_list_preview", args=[draft.pk])
        staff = log_in(make_staff())

        page = staff.get(url)
        lines = lines_of(staff.get(url, {"csv": "payers"}))

        assert len(self.panel(page, "payers").table.rows) == 1
        assert "Computed for the 1 of 3 payers" in page.content.decode()
        assert len(lines) == 4

    def test_names_what_it_cannot_price(self, draft):
        draft.rates.filter(meter__code="voice.out").delete()
        url = reverse("admin:price_list_preview", args=[draft.pk])

        page = log_in(make_staff()).get(url)

        assert "cannot be priced" in page.content.decode()

    def test_is_where_a_price_list_leads(self, draft):
        staff = log_in(make_staff())
        url = reverse("admin:price_list_preview", args=[draft.pk])

        for page in (
            reverse("admin:billing_pricelist_changelist"),
            reverse("admin:billing_pricelist_change", args=[draft.pk]),
        ):
            assert url in staff.get(page).content.decode()
        assert staff.get("/admin/price-lists/999/preview/").status_code == 404
        assert staff.get(reverse("admin:billing_pricelist_add")).status_code == 200
