"""The sweep: in sets, once, and one payer's trouble is not another's."""

import logging
from datetime import timedelta

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext

from billing.dunning.models import DunningCase, DunningHold, DunningStep
from billing.dunning.services.sweep import step_due
from billing.webhooks.models import OutboxStream
from tests.billing.dunning.conftest import DUE, day, kinds, make_payer, pay, the_case
from tests.build import MARCH, bill, documents_of
from tests.rollback import rolled_back

pytestmark = pytest.mark.django_db


def queries(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


class TestStepDue:
    @pytest.mark.usefixtures("prices")
    def test_takes_as_many_queries_for_many_payers_as_for_one(self):
        counts = []
        for count in (1, 1, 50):
            with rolled_back():
                payers = [make_payer(f"A{n}") for n in range(count)]
                bill(MARCH)
                opens = queries(lambda: step_due(now=DUE))
                suspends = queries(lambda: step_due(now=day(21)))
                assert DunningCase.objects.filter(state="suspended").count() == count
                counts.append((opens, suspends, queries(lambda: step_due(now=day(22)))))
                assert kinds(payers[-1]) == ["started", "overdue", "suspended"]

        assert counts[1] == counts[2]

    def test_does_nothing_the_second_time(self, payer):
        bill(MARCH)
        assert step_due(now=DUE) == 1

        assert step_due(now=DUE) == 0
        assert DunningStep.objects.count() == 2

    def test_works_off_more_payers_than_a_chunk(self, prices, settings):
        settings.DUNNING = {**settings.DUNNING, "CHUNK": 2}
        for number in range(5):
            make_payer(f"A{number}")
        bill(MARCH)

        assert step_due(now=DUE) == 5
        assert step_due(now=day(21)) == 5

    def test_goes_on_where_one_payer_cannot_be_worked_on(self, prices, caplog):
        payers = [make_payer(f"A{n}") for n in range(3)]
        bill(MARCH)
        streams = OutboxStream.objects.filter(agency=payers[1])
        streams.update(last_sequence=2**63 - 1)  # nothing can be told of it any more

        with caplog.at_level(logging.ERROR):
            assert step_due(now=DUE) == 2

        assert kinds(payers[0]) == kinds(payers[2]) == ["started", "overdue"]
        assert kinds(payers[1]) == []
        assert caplog.messages == [f"Dunning of agency {payers[1].pk} failed."]


class TestGuards:
    def test_keep_one_open_case_of_a_payer(self, payer):
        bill(MARCH)
        step_due(now=DUE)
        case = the_case()

        with pytest.raises(IntegrityError), transaction.atomic():
            DunningCase.objects.create(
                payer=payer, invoice=case.invoice, state="retrying", since=DUE,
                opened_at=DUE,
            )  # fmt: skip

    @pytest.mark.parametrize(
        ("state", "more"),
        [
            ("suspended", {"escalate_at": None}),
            ("retrying", {"closed_at": DUE}),
        ],
    )
    def test_keep_to_the_table_of_transitions(self, payer, card, days, state, more):
        card()
        bill(MARCH)
        days.faults = ["hard"]
        days.at(0)

        with pytest.raises(IntegrityError), transaction.atomic():
            DunningCase.objects.update(state=state, **more)

    def test_keep_who_owes_nothing_overdue_from_being_suspended(self, payer):
        bill(MARCH)
        step_due(now=DUE)

        with pytest.raises(IntegrityError, match="nothing is overdue"):
            DunningCase.objects.update(
                state="suspended", escalate_at=None, since=DUE - timedelta(days=1)
            )

    def test_keep_what_is_closed_as_it_is(self, payer):
        bill(MARCH)
        step_due(now=DUE)
        pay(payer, 100, DUE)

        with pytest.raises(IntegrityError):
            DunningCase.objects.update(state="retrying", closed_at=None)

    def test_keep_a_case_to_invoices_of_its_payer(self, payer):
        other = make_payer("OTHER")
        bill(MARCH)
        step_due(now=DUE)

        with pytest.raises(IntegrityError):
            DunningCase.objects.filter(payer=payer).update(
                invoice=documents_of(other)[0]
            )

    @pytest.mark.parametrize("model", [DunningStep, DunningHold])
    def test_let_nobody_change_what_was_done(self, payer, model):
        with pytest.raises(ProgrammingError, match="permission denied"):
            model.objects.update(**{"note" if model is DunningStep else "reason": "x"})
