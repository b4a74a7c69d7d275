"""Who is suspended, by whom, how long, and who is waited for."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.accounts.services import set_payer_shares, suspend_outbound
from billing.dunning.models import DunningCase
from billing.dunning.services.cases import BadHold, hold_dunning
from core.errors import ReasonMissing
from tests.billing.dunning.conftest import (
    ISSUED,
    allowed,
    day,
    kinds,
    pay,
    the_case,
)
from tests.build import MARCH, bill, make_agency, make_seats

pytestmark = pytest.mark.django_db
SCHEDULED, RETRIED, ENDED = "retry_scheduled", "retried", "ended"
NEEDED, OVERDUE, SUSPENDED = "payment_method_needed", "overdue", "suspended"


class TestSuspension:
    def test_by_staff_stays_when_all_is_paid(self, payer, days):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)
        suspend_outbound(agency=payer, reason="fraud", actor="staff", now=day(22))

        pay(payer, 100, day(23))

        assert allowed(payer, day(23)) == ["suspended"]
        assert the_case().state == "closed"

    def test_takes_along_whom_the_payer_carries_alone(self, payer, days, prices):
        carried, shared = make_agency("CARRIED"), make_agency("SHARED")
        for agency in (carried, shared):
            make_seats(agency, "ana")
        terms: Any = {
            "starts_on": MARCH,
            "actor": "t",
            "now": ISSUED - timedelta(days=20),
        }
        set_payer_shares(agency=carried, shares={payer: Decimal(100)}, **terms)
        set_payer_shares(
            agency=shared, shares={payer: Decimal(60), shared: Decimal(40)}, **terms
        )
        bill(MARCH)
        pay(shared, 20, ISSUED)
        for number in (14, 21):
            days.at(number)

        assert allowed(payer, days.now) == ["suspended"]
        assert allowed(carried, days.now) == ["suspended"]
        assert allowed(shared, days.now) is True

        pay(payer, 1000, days.now)

        assert allowed(carried, days.now) is True

    def test_by_staff_does_not_reach_whom_the_payer_carries(self, payer, days):
        carried = make_agency("CARRIED")
        make_seats(carried, "ana")
        set_payer_shares(
            agency=carried, shares={payer: Decimal(100)}, starts_on=MARCH, actor="t",
            now=ISSUED - timedelta(days=20),
        )  # fmt: skip

        suspend_outbound(agency=payer, reason="fraud", actor="staff", now=day(1))

        assert allowed(carried, day(1)) is True


class TestHold:
    def hold(self, payer, until, now):
        return hold_dunning(
            payer=payer, until=until, reason="promised", actor="staff", now=now
        )

    def test_pauses_every_step_until_its_date(self, payer, days):
        bill(MARCH)
        days.at(14)
        self.hold(payer, date(2026, 5, 10), day(15))

        for number in range(16, 38):
            days.at(number)
        assert kinds(payer) == ["started", OVERDUE, "held"]
        days.at(38)  # 10 May

        assert kinds(payer)[-1] == SUSPENDED

    def test_lets_who_is_suspended_dial_until_then(self, payer, days):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)

        self.hold(payer, date(2026, 5, 10), day(22))

        assert allowed(payer, day(22)) is True
        days.at(37)
        assert allowed(payer, days.now) is True
        days.at(38)
        assert allowed(payer, days.now) == ["suspended"]

    def test_ends_with_a_newer_one(self, payer, days):
        bill(MARCH)
        days.at(14)
        self.hold(payer, date(2026, 5, 30), day(15))
        self.hold(payer, date(2026, 4, 17), day(15))

        days.at(21)

        assert kinds(payer)[-1] == SUSPENDED

    def test_keeps_a_case_from_beginning(self, payer, days):
        bill(MARCH)
        self.hold(payer, date(2026, 5, 1), day(1))

        days.at(14)
        assert not DunningCase.objects.exists()
        days.at(29)

        assert kinds(payer) == ["started", OVERDUE]

    def test_keeps_a_payment_from_nothing(self, payer, days):
        bill(MARCH)
        days.at(14)
        self.hold(payer, date(2026, 5, 10), day(15))

        pay(payer, 100, day(16))

        assert kinds(payer)[-1] == ENDED

    @pytest.mark.parametrize("until", [date(2026, 4, 1), date(2026, 9, 1)])
    def test_refuses_dates_that_are_past_or_far_away(self, payer, until):
        with pytest.raises(BadHold):
            self.hold(payer, until, ISSUED)

    def test_says_why(self, payer):
        with pytest.raises(ReasonMissing):
            hold_dunning(
                payer=payer, until=date(2026, 4, 9), reason=" ", actor="s", now=ISSUED
            )
