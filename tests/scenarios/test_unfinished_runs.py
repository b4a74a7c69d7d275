"""Unfinished work is finished by the sweeps, and reported by verification."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from billing.collection.verification.money import verify_everything
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.documents import discard_draft, issue_due
from billing.invoicing.services.items import park_exhausted, park_items
from billing.invoicing.services.months import start_due
from billing.invoicing.services.runs import (
    NotParked,
    finish_runs,
    open_run,
    release_item,
    start_run,
)
from billing.invoicing.signals import step_reached
from seats.roster.services.seats import remove_seats
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
JUNE_2 = datetime(2026, 6, 2, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Died(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture
def agency():
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    return agency


@pytest.fixture
def die_at():
    """Make the process die at a step, once its commit is done."""
    deadly_steps: list[str] = []

    def die(step, **_):
        if step in deadly_steps:
            deadly_steps.remove(step)
            raise Died(step)

    step_reached.connect(die)
    yield deadly_steps.append
    step_reached.disconnect(die)


def ring(now):
    """Run the periodic tasks until there is nothing left to do."""
    start_due(now=now)
    while close_due(now=now):
        pass


class TestStarting:
    def test_begins_once_the_month_is_over_everywhere(self, agency):
        early = datetime(2026, 4, 1, 8, tzinfo=UTC)  # four in the morning, and grace

        assert start_due(now=early) == []
        assert [run.month for run in start_due(now=APRIL_2)] == [MARCH]
        assert start_due(now=APRIL_2) == []

    def test_begins_with_the_oldest_month_after_months_without_a_scheduler(
        self, agency
    ):
        assert [run.month for run in start_due(now=JUNE_2)] == [MARCH, APRIL, MAY]
        while close_due(now=JUNE_2):
            pass

        months = [document.month for document in documents_of(agency)]
        assert months == [MARCH, APRIL, MAY]
        assert verify_everything(now=JUNE_2).findings == []

    def test_goes_on_after_the_last_month_that_was_run(self, agency):
        bill(MARCH)

        assert [run.month for run in start_due(now=JUNE_2)] == [APRIL, MAY]

    def test_begins_nothing_where_nobody_has_a_fact(self, db):
        make_agency()

        assert start_due(now=APRIL_2) == []

    def test_costs_two_queries_when_there_is_nothing_to_do(
        self, agency, django_assert_num_queries
    ):
        bill(MARCH)

        with django_assert_num_queries(2):
            assert start_due(now=APRIL_2) == []


class TestResuming:
    @pytest.mark.parametrize("step", ["opened", "cut", "planned"])
    def test_a_month_whose_starter_died_is_billed(self, agency, die_at, step):
        die_at(step)
        with pytest.raises(Died):
            start_run(month=MARCH, actor="test", now=APRIL_2)

        ring(APRIL_2)

        assert totals(agency) == [Decimal(50)]
        assert BillingRun.objects.count() == 1
        assert BillingRun.objects.get().finished_at
        assert verify_everything(now=APRIL_2).findings == []

    @pytest.mark.parametrize("step", ["opened", "cut", "planned"])
    def test_a_release_whose_process_died_is_billed(self, db, die_at, step):
        agency = make_agency()
        make_seats(agency, "ana")
        bill(MARCH)  # without prices
        make_prices()
        parked = RunItem.objects.get(state="parked")
        die_at(step)

        with pytest.raises(Died):
            release_item(item=parked, actor="staff", now=APRIL_2)
        ring(APRIL_2)

        assert totals(agency) == [Decimal(50)]
        assert verify_everything(now=APRIL_2).findings == []
        with pytest.raises(NotParked):
            release_item(item=parked, actor="staff", now=APRIL_2)

    @pytest.mark.parametrize("step", ["opened", "cut", "planned"])
    def test_a_discard_whose_process_died_is_built_again(
        self, agency, die_at, step, settings
    ):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": 24 * HOUR}
        bill(MARCH, now=APRIL_2)
        (draft,) = documents_of(agency)
        die_at(step)

        with pytest.raises(Died):
            discard_draft(document_id=draft.pk, actor="staff", now=APRIL_2)
        assert documents_of(agency) == []
        ring(APRIL_2)

        (rebuilt,) = documents_of(agency)
        assert rebuilt.pk != draft.pk
        issue_due(now=APRIL_2 + 24 * HOUR)
        ring(APRIL_2 + 24 * HOUR)
        assert not BillingRun.objects.filter(finished_at=None).exists()
        assert verify_everything(now=APRIL_2 + 24 * HOUR).findings == []

    def test_one_that_cannot_go_on_keeps_no_other_waiting(self, agency):
        """An agency that came since still has a part of the month before it."""
        late = make_agency("LATE", zone="Pacific/Pago_Pago", now=APRIL_2)
        early = datetime(2026, 4, 1, 12, tzinfo=UTC)
        for payer in (late, agency):
            open_run(month=MARCH, payer=payer, actor="test", now=early)

        ring(early)

        assert totals(agency) == [Decimal(50)]
        assert BillingRun.objects.get(payer=late).planned_at is None
        ring(APRIL_2)
        assert not BillingRun.objects.filter(finished_at=None).exists()


class TestReopening:
    def test_an_item_parked_in_a_run_without_an_end_yet_is_billed(self, db, die_at):
        """Not by that run, which has settled it."""
        agency = make_agency()
        make_seats(agency, "ana")
        start_run(month=MARCH, payer=agency, actor="test", now=APRIL_2)
        die_at("closed")
        with pytest.raises(Died):
            close_due(now=APRIL_2)
        assert BillingRun.objects.get().finished_at is None
        make_prices()

        release_item(item=RunItem.objects.get(), actor="staff", now=APRIL_2)
        ring(APRIL_2)

        assert totals(agency) == [Decimal(50)]
        own = BillingRun.objects.filter(payer=agency, finished_at__isnull=False)
        assert own.count() == 2

    def test_a_discard_takes_a_new_cut_whatever_else_is_under_way(
        self, agency, settings
    ):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": 24 * HOUR}
        bill(MARCH, now=APRIL_2)
        bill(MARCH, now=APRIL_2, payer=agency)  # waits for the draft
        seats = list(agency.seats.all())
        remove_seats(seats=seats, on=date(2026, 3, 17), actor="test", now=APRIL_2)
        (draft,) = documents_of(agency)

        discard_draft(document_id=draft.pk, actor="staff", now=APRIL_2)
        ring(APRIL_2)

        assert totals(agency) == [Decimal("25.81")]

    def test_what_is_settled_is_not_parked_by_who_gave_it_up(self, agency):
        bill(MARCH)
        item = RunItem.objects.get()
        RunItem.objects.update(attempts=99)

        park_items(item_ids=[item.pk], code="failed", message="KeyError()")
        assert park_exhausted(now=JUNE_2) == 0

        item.refresh_from_db()
        assert (item.state, item.last_error) == ("done", "")


class TestVerify:
    def codes(self, now):
        return [finding.code for finding in verify_everything(now=now).findings]

    def test_names_a_month_that_is_over_and_was_never_run(self, agency):
        over = datetime(2026, 4, 1, 4, tzinfo=UTC)  # midnight in New York

        assert self.codes(over) == []
        assert self.codes(over + 6 * HOUR) == []
        assert self.codes(over + 7 * HOUR + timedelta(minutes=1)) == [
            "month_not_billed"
        ]
        (finding,) = verify_everything(now=MAY_2 - 48 * HOUR).findings
        assert str(finding) == (
            "month_not_billed SUNRISE 2026-03: seats or usage of SUNRISE are not"
            " billed, and no run includes them"
        )

    def test_waits_for_a_run_that_is_under_way(self, agency):
        start_run(month=MARCH, actor="test", now=APRIL_2)

        assert self.codes(APRIL_2 + HOUR / 2) == []
        assert self.codes(APRIL_2 + 2 * HOUR) == ["run_unfinished"]

    def test_names_a_run_without_a_plan(self, agency, die_at):
        die_at("cut")
        with pytest.raises(Died):
            start_run(month=MARCH, actor="test", now=APRIL_2)

        assert self.codes(APRIL_2 + HOUR / 2) == []
        assert self.codes(APRIL_2 + 2 * HOUR) == ["run_unfinished"]

    def test_names_a_run_without_an_end(self, agency, die_at):
        run = start_run(month=MARCH, actor="test", now=APRIL_2)
        die_at("closed")
        with pytest.raises(Died):
            close_due(now=APRIL_2, run=run)

        assert self.codes(APRIL_2 + 2 * HOUR) == ["run_unfinished"]
        finish_runs(now=APRIL_2)
        assert self.codes(APRIL_2 + 2 * HOUR) == []

    def test_names_a_payer_that_was_released_and_not_billed(self, db):
        """As a process left it that died in between, when that could happen."""
        agency = make_agency()
        make_seats(agency, "ana")
        bill(MARCH)
        assert self.codes(APRIL_2 + 2 * HOUR) == []  # parked: a person is asked
        RunItem.objects.update(state="released")

        assert self.codes(APRIL_2 + 2 * HOUR) == ["month_not_billed"]

    def test_names_a_draft_that_nobody_issued(self, agency, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": 24 * HOUR}
        bill(MARCH, now=APRIL_2)

        assert self.codes(APRIL_2 + 24.5 * HOUR) == []
        assert self.codes(APRIL_2 + 26 * HOUR) == ["draft_not_issued"]

    def test_takes_late_facts_of_a_billed_month_for_pending(self, agency):
        bill(MARCH)
        make_seats(make_agency("LATER", now=APRIL_2), "ben", now=APRIL_2)

        report = verify_everything(now=APRIL_2 + 2 * HOUR)

        assert report.findings == []
        assert report.pending_facts == 1
