"""Real threads and transactions against each other. Each test fails without its guard."""

import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.accounts.models import BillingAccount
from billing.collection.verification.money import verify_everything
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.issuing import lock_accounts
from billing.invoicing.services.runs import start_run
from billing.invoicing.signals import step_reached
from billing.pricing.models import Meter, PriceList, Rate
from billing.pricing.services import MonthTaken, publish_price_list
from seats.cutoffs.models import CutoffCounter
from seats.cutoffs.services import stamp_facts, take_cut
from seats.models import Agency, SeatHolding
from seats.roster.services.recording import AgentHasASeat
from seats.roster.services.seats import add_seats, hand_over_seats, transfer_seats
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MARCH_1,
    MAY,
    MAY_2,
    bill,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
)

pytestmark = [pytest.mark.usefixtures("fresh_database"), pytest.mark.timeout(120)]
ADD: dict[str, Any] = {"on": MARCH, "actor": "test", "now": MARCH_1}


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


class TestSeats:
    def test_one_of_many_who_seat_the_same_agent_at_once_succeeds(self, run_in_threads):
        (agent,) = make_agents(make_agency(), "ana")

        results = run_in_threads(*[lambda: add_seats(agents=[agent], **ADD)] * 8)

        refused = [result for result in results if isinstance(result, AgentHasASeat)]
        assert len(refused) == 7
        assert SeatHolding.objects.count() == 1

    def test_hand_overs_at_once_leave_one_holder_for_each_date(self, run_in_threads):
        agency = make_agency()
        (seat,) = make_seats(agency, "ana")
        others = make_agents(agency, "ben", "cara", "dan", "eve")

        def hand_over(to, day):
            return lambda: hand_over_seats(
                moves=[(seat, to)], **{**ADD, "on": date(2026, 3, day)}
            )

        results = run_in_threads(*[hand_over(to, 5 + n) for n, to in enumerate(others)])

        assert all(result == [seat] for result in results)
        assert verify_everything().findings == []

    def test_a_transfer_and_the_close_of_both_agencies_agree(self, run_in_threads):
        make_prices()
        here, there = make_agency("HERE"), make_agency("THERE")
        (seat,) = make_seats(here, "ana")
        (to,) = make_agents(there, "ana")
        move: dict[str, Any] = {
            "actor": "test",
            "now": APRIL_2,
            "on": date(2026, 3, 20),
        }

        run_in_threads(
            lambda: transfer_seats(moves=[(seat, to)], **move),
            lambda: bill(MARCH, now=APRIL_2),
        )
        bill(APRIL, now=MAY_2)

        report = verify_everything()
        assert (report.findings, report.pending_facts) == ([], 0)
        total = sum(document.total for document in Document.objects.all())
        assert total == Decimal("100.00")

    def test_no_seat_has_two_holders_on_a_date_whoever_writes_them(self):
        """Services wait for the seat's row; the constraint binds everybody else."""
        agency = make_agency()
        (seat,) = make_seats(agency, "ana")
        (ben,) = make_agents(agency, "ben")

        with pytest.raises(IntegrityError, match="one_holder_per_seat_and_date"):
            SeatHolding.objects.create(
                seat=seat, agent=ben, agency=agency, starts_on=date(2026, 3, 9)
            )


class TestCuts:
    def test_a_fact_that_began_before_a_cut_is_below_it(self, run_in_threads):
        """The cut waits for the writer, and so reads the fact."""
        agency = make_agency()
        (agent,) = make_agents(agency, "ana")
        seen: dict[str, int] = {}

        def write():
            with transaction.atomic():
                stamp_facts([agency.pk])
                stamped.set()
                connection.cursor().execute("SELECT pg_sleep(0.5)")
                add_seats(agents=[agent], **ADD)

        def cut():
            assert stamped.wait(10)
            with transaction.atomic():
                taken = take_cut([agency.pk], closing=MARCH)[agency.pk]
                seen["facts"] = SeatHolding.objects.filter(agency=agency).count()
                seen["taken"] = taken

        stamped = threading.Event()
        results = run_in_threads(write, cut)

        assert not [result for result in results if isinstance(result, Exception)]
        assert seen == {"facts": 1, "taken": 1}

    def test_two_cuts_take_two_numbers(self, run_in_threads):
        agencies = [make_agency(f"A{n}").pk for n in range(10)]

        def cut(order):
            def take():
                with transaction.atomic():
                    return take_cut(order, closing=MARCH)

            return take

        results = run_in_threads(cut(agencies), cut(agencies[::-1]))

        numbers = [{result[agency] for result in results} for agency in agencies]
        assert numbers == [{1, 2}] * 10
        assert set(CutoffCounter.objects.values_list("cutoff", flat=True)) == {3}

    def test_a_fact_with_a_stale_stamp_is_refused(self):
        agency = make_agency()
        (seat,) = make_seats(agency, "ana")
        version = seat.versions.get()
        with transaction.atomic():
            take_cut([agency.pk], closing=MARCH)
        version.pk, version.number = None, 2

        with pytest.raises(Exception, match="current cut-off"):
            version.save(force_insert=True)


class TestRuns:
    def test_a_run_of_all_and_a_run_of_one_bill_a_payer_once(self, run_in_threads):
        make_prices()
        agencies = [make_agency(f"A{n}") for n in range(4)]
        for agency in agencies:
            make_seats(agency, "ana")

        def close_one(payer):
            def close():
                run = start_run(month=MARCH, actor="test", now=APRIL_2, payer=payer)
                while close_due(now=APRIL_2, run=run):
                    pass

            return close

        results = run_in_threads(
            lambda: bill(MARCH, now=APRIL_2), *map(close_one, agencies)
        )

        assert not [result for result in results if isinstance(result, Exception)]
        assert Document.objects.count() == 4
        assert verify_everything().findings == []

    def test_starters_at_once_share_one_run(self, run_in_threads):
        make_prices()
        for n in range(6):
            make_seats(make_agency(f"A{n}"), "ana")

        runs = run_in_threads(
            *[lambda: start_run(month=MARCH, actor="test", now=APRIL_2)] * 6
        )

        assert len({run.pk for run in runs}) == 1
        assert RunItem.objects.count() == 6

    def test_who_closes_a_payer_waits_for_who_holds_it(self, run_in_threads):
        """Nothing is tried in vain: the number is read under the lock."""
        make_prices()
        payer = make_agency()
        make_seats(payer, "ana")
        run = start_run(month=MARCH, actor="test", now=APRIL_2)
        held = threading.Event()

        def hold():
            with transaction.atomic():
                lock_accounts([payer.pk])
                held.set()
                connection.cursor().execute("SELECT pg_sleep(0.5)")
                BillingAccount.objects.filter(pk=payer.pk).update(
                    billing_name="Sunrise LLC"
                )

        def close():
            assert held.wait(10)
            return close_due(now=APRIL_2, run=run)

        results = run_in_threads(hold, close)

        assert results == [None, 1]
        assert Document.objects.get().parties["payer"]["name"] == "Sunrise LLC"

    def test_closers_of_one_run_do_not_wait_for_one_another(
        self, run_in_threads, settings
    ):
        settings.BILLING = {**settings.BILLING, "CLOSE_CHUNK": 1}
        make_prices()
        for n in range(2):
            make_seats(make_agency(f"A{n}"), "ana")
        run = start_run(month=MARCH, actor="test", now=APRIL_2)
        written = threading.Barrier(2)

        def meet(step, **_):
            """Both have written and neither has committed."""
            if step == "written":
                written.wait(10)

        step_reached.connect(meet)
        try:
            results = run_in_threads(*[lambda: close_due(now=APRIL_2, run=run)] * 2)
        finally:
            step_reached.disconnect(meet)

        assert results == [1, 1]
        assert not written.broken
        assert Document.objects.count() == 2

    def test_two_runs_of_one_month_bill_once(self, run_in_threads):
        make_prices()
        for n in range(6):
            make_seats(make_agency(f"A{n}"), "ana")

        results = run_in_threads(*[lambda: bill(MARCH, now=APRIL_2)] * 4)

        assert not [result for result in results if isinstance(result, Exception)]
        assert Document.objects.count() == 6
        assert not BillingRun.objects.filter(finished_at=None).exists()
        assert verify_everything().findings == []

    def test_numbers_have_no_gap_under_parallel_closers(self, run_in_threads, settings):
        settings.BILLING = {**settings.BILLING, "CLOSE_CHUNK": 2}
        make_prices()
        for n in range(12):
            make_seats(make_agency(f"A{n}"), "ana")
        now = datetime(2026, 5, 2, 12, tzinfo=UTC)
        run = start_run(month=APRIL, actor="test", now=now)

        def work():
            while close_due(now=now, run=run):
                pass

        run_in_threads(*[work] * 4)

        assert [
            list(
                Document.objects.filter(payer=agency)
                .order_by("number")
                .values_list("number", flat=True)
            )
            for agency in Agency.objects.all()
        ] == [[1, 2]] * 12


class TestDrafts:
    def test_a_payer_has_one_draft_at_a_time_whoever_writes_them(
        self, run_in_threads, settings
    ):
        """Closers wait for the payer's row; the index binds everybody else."""
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": timedelta(days=2)}
        make_prices()
        make_seats(make_agency(), "ana")
        close_due(now=APRIL_2, run=start_run(month=MARCH, actor="test", now=APRIL_2))
        columns = [
            field.attname
            for field in Document._meta.concrete_fields
            if field.name not in {"id", "public_id"}
        ]
        (draft,) = Document.objects.values(*columns)

        results = run_in_threads(*[lambda: Document.objects.create(**draft)] * 2)

        assert all(isinstance(result, IntegrityError) for result in results)
        assert all("one_draft_per_payer" in str(result) for result in results)


class TestPrices:
    def test_one_of_two_lists_that_are_published_for_a_month_at_once_holds(
        self, run_in_threads
    ):
        make_prices()
        drafts = [
            PriceList.objects.create(
                code=code, currency="USD", starts_on=MAY, seat_price=49
            )
            for code in ("ONE", "TWO")
        ]
        for draft in drafts:
            for meter in Meter.objects.all():
                Rate.objects.create(price_list=draft, meter=meter, unit_price=1)

        results = run_in_threads(
            *[lambda d=d: publish_price_list(price_list=d, now=MARCH_1) for d in drafts]
        )

        refused = [result for result in results if isinstance(result, MonthTaken)]
        assert len(refused) == 1
        assert PriceList.objects.filter(starts_on=MAY, state="published").count() == 1


class TestErrors:
    def test_park_a_payer_after_some_tries_and_the_others_go_on(
        self, owner_cursor, settings
    ):
        settings.BILLING = {**settings.BILLING, "CLOSE_RETRY": timedelta(0)}
        make_prices()
        broken, whole = make_agency("BROKEN"), make_agency("WHOLE")
        for agency in (broken, whole):
            make_seats(agency, "ana")
        owner_cursor.execute(
            "DELETE FROM billing_billingaccount WHERE payer_id = %s", [broken.pk]
        )

        bill(MARCH, now=APRIL_2)

        item = RunItem.objects.get(state="parked")
        assert (item.payer, item.code) == (broken, "failed")
        assert "KeyError" in item.last_error
        assert Document.objects.get().payer == whole
        assert not BillingRun.objects.filter(finished_at=None).exists()
