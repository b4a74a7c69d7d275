"""Staff look at what a run would bill, start it, and watch it."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from billing.invoicing.admin import run_pages
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.months import start_due
from tests.build import (
    APRIL,
    MARCH,
    bill,
    call,
    make_agency,
    make_prices,
    make_seats,
    use,
)
from tests.staff import log_in, make_staff, snapshot

pytestmark = pytest.mark.django_db
PLAN = reverse("admin:billing_run_plan")
ADD = reverse("admin:billing_billingrun_add")
NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)
MONTH, BEFORE = APRIL, MARCH


@pytest.fixture(autouse=True)
def drafts_issued_at_once(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture(autouse=True)
def in_may():
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def staff():
    return log_in(make_staff())


def make_books(*codes: str, first: date = BEFORE) -> None:
    make_prices()
    for code in codes:
        make_seats(make_agency(code), "ana", "ben", on=first)


def panel(page, key):
    return next(panel for panel in page.context["panels"] if panel.key == key)


def month_text(month: date) -> str:
    return f"{month:%Y-%m}"


class TestThePlan:
    def test_says_what_a_run_then_bills_and_writes_nothing(self, staff):
        make_books("BIG", "SMALL")
        bill(BEFORE)
        before = snapshot()

        page = staff.get(PLAN, {"month": month_text(MONTH)})

        assert snapshot() == before
        (row,) = panel(page, "totals").table.rows
        assert row[:2] == ["USD", 2]
        assert [money.amount for money in row[2:]] == [200, 0, 200, 0]
        bill(MONTH)
        billed = Document.objects.filter(month=MONTH).values_list("subtotal", flat=True)
        assert sum(billed) == Decimal(200)
        again = staff.get(PLAN, {"month": month_text(MONTH)})
        assert "Nothing is left to bill" in again.content.decode()

    def test_lists_the_largest_differences_first(self, staff):
        make_books("STEADY", "GROWN")
        bill(BEFORE)
        grown = make_agency("NEW")
        make_seats(grown, "ana", on=MONTH)

        page = staff.get(PLAN, {"month": month_text(MONTH)})

        rows = panel(page, "payers").table.rows
        assert [row[0].text[-4:-1] for row in rows] == ["NEW", "OWN", "ADY"]
        assert [row[4].amount for row in rows] == [50, 0, 0]

    def test_names_payers_that_would_be_parked(self, staff):
        make_books("A")
        make_seats(make_agency("YEN", currency="JPY"), "ana", on=BEFORE)

        page = staff.get(PLAN, {"month": month_text(MONTH)})

        assert "Is parked: No published price list" in page.content.decode()

    def test_computes_only_the_largest_of_many_and_says_so(self, staff, monkeypatch):
        make_books("A", "B", "C")
        monkeypatch.setattr(run_pages, "MOST_PAYERS", 2)

        page = staff.get(PLAN, {"month": month_text(MONTH)})
        file = staff.get(PLAN, {"month": month_text(MONTH), "csv": "payers"})

        assert panel(page, "totals").figure == "3 payers"
        assert "1 smaller ones are not in these sums" in page.content.decode()
        assert len(panel(page, "payers").table.rows) == 2
        lines = b"".join(file.streaming_content).decode().splitlines()
        assert len(lines) == 4

    def test_takes_as_many_queries_for_many_as_for_few(
        self, staff, django_assert_max_num_queries
    ):
        make_books(*"ABCDEFGH")
        use(call("A"))

        with django_assert_max_num_queries(30):
            assert staff.get(PLAN).status_code == 200

    @pytest.mark.parametrize("month", ["2026-13", "1999-01", "x", "\0"])
    def test_is_not_there_for_other_months(self, staff, month):
        assert staff.get(PLAN, {"month": month}).status_code == 404

    def test_is_refused_to_support(self, db):
        support = log_in(make_staff("s@example.com", job="support"))

        assert support.get(PLAN).status_code == 403
        assert support.get(ADD).status_code == 403


class TestStarting:
    def sent(self, **more):
        return {"month": month_text(MONTH), "reason": "late files", "confirmed": "1",
                "payer": "", **more}  # fmt: skip

    def test_opens_a_run_that_the_schedule_works_off(self, staff):
        make_books("A", "B")

        answer = staff.post(ADD, self.sent(), follow=True)

        run = BillingRun.objects.get(month=MONTH)
        assert run.actor == "staff@example.com"
        assert run.planned_at is None
        assert answer.redirect_chain[-1][0] == f"/admin/billing-runs/{run.pk}/"
        assert answer.headers["Refresh"] == "5"
        entry = LogEntry.objects.get(object_id=str(run.pk))
        assert "late files" in entry.get_change_message()

    @pytest.mark.parametrize("missing", ["confirmed", "reason", "month"])
    def test_needs_a_confirmation_and_a_reason(self, staff, missing):
        make_books("A")

        staff.post(ADD, self.sent(**{missing: ""}))

        assert not BillingRun.objects.exists()

    def test_goes_on_with_the_run_that_is_open(self, staff):
        make_books("A")

        for _ in range(2):
            staff.post(ADD, self.sent())

        assert BillingRun.objects.count() == 1


class TestProgress:
    def test_counts_payers_and_stops_renewing_when_it_is_done(self, staff):
        make_books("A", "B")
        make_seats(make_agency("YEN", currency="JPY"), "ana", on=BEFORE)
        staff.post(ADD, TestStarting().sent())
        run = BillingRun.objects.get(month=MONTH)
        url = reverse("admin:billing_run", args=[run.pk])
        assert panel(staff.get(url), "progress").figure == "Not planned yet"

        start_due(now=timezone.now())
        planned = staff.get(url)
        while close_due(now=timezone.now()):
            pass
        done = staff.get(url)

        assert panel(planned, "progress").figure == "0 of 3"
        assert planned.headers["Refresh"] == "5"
        assert panel(done, "progress").figure == "3 of 3"
        assert "Refresh" not in done.headers
        assert "No published price list" in done.content.decode()
        parked = RunItem.objects.get(run=run, state="parked")
        (link,) = panel(done, "parked").links
        listed = staff.get(link.url).context["cl"].result_list
        assert [item.pk for item in listed] == [parked.pk]
        sums = panel(done, "documents").table.rows
        assert sums[0][1] == 4
        assert f"{MONTH:%B %Y}" in done.context["title"]

    def test_is_not_there_for_no_run(self, staff):
        assert staff.get("/admin/billing-runs/99/").status_code == 404

    def test_takes_a_fixed_number_of_queries(
        self, staff, django_assert_max_num_queries
    ):
        make_books(*"ABCDEF")
        bill(MONTH)
        run = BillingRun.objects.latest("pk")

        with django_assert_max_num_queries(14):
            staff.get(reverse("admin:billing_run", args=[run.pk]))
