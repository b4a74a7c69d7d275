"""Sweeps, payments and processors at once."""

from datetime import timedelta
from functools import partial

import pytest

from billing.accounts.models import AccountStanding
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.verification.money import verify_everything
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.services.sweep import step_due
from tests.billing.dunning.conftest import (
    Days,
    allowed,
    day,
    kinds,
    make_payer,
    make_processor,
    pay,
    save_card,
    the_case,
)
from tests.build import MARCH, bill, make_prices

pytestmark = pytest.mark.usefixtures("fresh_database", "at_once")
AT_ONCE = 20


@pytest.fixture
def payer(fresh_database, at_once):
    make_prices()
    return make_payer()


def sweeps(number):
    return [partial(step_due, now=day(number))] * AT_ONCE


def test_sweeps_at_once_open_one_case(payer, run_in_threads):
    bill(MARCH)

    done = run_in_threads(*sweeps(14))

    assert sum(done) == 1
    assert kinds(payer) == ["started", "overdue"]


def test_sweeps_at_once_charge_once(payer, run_in_threads):
    save_card(payer, make_processor(), day(0))
    bill(MARCH)
    days = Days()
    days.faults = ["soft"]
    days.at(0)

    done = run_in_threads(*sweeps(3))

    assert sum(done) == 1
    assert PaymentAttempt.objects.filter(actor="dunning").count() == 1
    assert kinds(payer) == ["started", "retry_scheduled", "retried"]


def test_sweeps_at_once_suspend_once(payer, run_in_threads):
    bill(MARCH)
    step_due(now=day(14))

    run_in_threads(*sweeps(21))

    assert kinds(payer) == ["started", "overdue", "suspended"]
    assert AccountStanding.objects.count() == 1


def test_a_payment_while_it_is_suspended_leaves_it_free(payer, run_in_threads):
    bill(MARCH)
    step_due(now=day(14))

    results = run_in_threads(
        *sweeps(21)[:5], partial(pay, payer, 100, day(21)), *sweeps(21)[:5]
    )

    assert not [result for result in results if isinstance(result, Exception)]
    assert allowed(payer, day(21)) is True
    assert the_case().state == "closed"
    assert verify_everything().findings == []


def test_payments_of_many_and_sweeps_stand_in_nobodys_way(payer, run_in_threads):
    payers = [payer, *(make_payer(f"A{n}") for n in range(5))]
    bill(MARCH)
    step_due(now=day(14))

    results = run_in_threads(
        *(partial(pay, debtor, 100, day(21)) for debtor in payers),
        *sweeps(21)[:6],
        *(partial(step_due, now=day(21) + timedelta(hours=n)) for n in range(6)),
    )

    assert not [result for result in results if isinstance(result, Exception)]
    assert not DunningCase.objects.filter(closed_at=None).exists()
    assert all(allowed(debtor, day(22)) is True for debtor in payers)


def test_a_card_and_a_sweep_at_once_charge_once(payer, run_in_threads):
    bill(MARCH)
    step_due(now=day(14))
    processor = make_processor()

    run_in_threads(
        partial(save_card, payer, processor, day(21)), *sweeps(21)[: AT_ONCE // 2]
    )
    step_due(now=day(21))

    assert PaymentAttempt.objects.count() == 1
    assert DunningStep.objects.filter(kind="retried").count() == 1
