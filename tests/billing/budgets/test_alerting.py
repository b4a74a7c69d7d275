"""Budgets compared with usage, and the alerts that are sent."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from billing.accounts.models import BillingAccount
from billing.budgets.domain.levels import MAX_STORED
from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from billing.budgets.services.alerts import check_budgets
from billing.budgets.services.budgets import (
    BadBudget,
    BudgetExists,
    BudgetGone,
    add_budget,
    change_budget,
    remove_budget,
)
from billing.mail.models import Mail
from billing.pricing.models import Meter
from billing.webhooks.domain.catalogue import data_of
from billing.webhooks.models import OutboxEvent
from tests.build import MARCH_1, bill, call, make_agency, make_agents, make_prices, use

pytestmark = pytest.mark.django_db
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
LATE = datetime(2026, 3, 31, 12, tzinfo=UTC)


def noon(day, month=3):
    return datetime(2026, month, day, 16, tzinfo=UTC)


def minutes(count, day=10, month=3, **fields):
    """Record a call of so many billed minutes; a minute costs 1.8 cents."""
    at = noon(day, month)
    event = call(quantity=Decimal(60 * count), occurred_at=at, **fields)
    (verdict,) = use(event, now=at)
    assert verdict.status == "accepted", verdict


def budget(agency, **fields):
    return add_budget(**{"agency": agency, "actor": "test", "now": MARCH_1, **fields})


def of_minutes(agency, quantity=1000, **fields):
    return budget(agency, meter=Meter.objects.get(code="voice.out"),
                  quantity=Decimal(quantity), **fields)  # fmt: skip


def alerts():
    return list(
        BudgetAlert.objects.order_by("pk").values_list("month", "threshold", "kind")
    )


@pytest.fixture
def agency():
    make_prices()
    agency = make_agency()
    BillingAccount.objects.filter(payer=agency).update(email="boss@sunrise.example")
    return agency


class TestCheckBudgets:
    def test_alerts_for_each_threshold_once(self, agency):
        of_minutes(agency)
        minutes(499)
        assert check_budgets(now=noon(10)) == 0
        minutes(1)
        assert check_budgets(now=noon(10)) == 1
        minutes(600)
        assert check_budgets(now=noon(10)) == 2
        assert check_budgets(now=noon(11)) == 0

        assert alerts() == [
            (MARCH, 50, "reached"), (MARCH, 80, "reached"), (MARCH, 100, "reached"),
        ]  # fmt: skip

    def test_counts_money_of_usage_without_seats(self, agency):
        money = budget(agency, amount=Decimal("18.00"))
        minutes(500)

        check_budgets(now=noon(10))

        assert alerts() == [(MARCH, 50, "reached")]
        month = BudgetMonth.objects.get(budget=money)
        assert (month.used, month.evaluated_at) == (Decimal(9), noon(10))

    def test_alerts_everybody_however_much_usage_one_agency_sends(self, agency):
        of_minutes(agency)
        minutes(500)
        flood = make_agency("FLOOD")
        texts = budget(
            flood, meter=Meter.objects.get(code="sms.segment"), quantity=Decimal(9)
        )
        verdicts = use(
            *(
                call(
                    agency="FLOOD", agent=None, meter="sms.segment",
                    quantity=Decimal(10**12 - 1), occurred_at=noon(1),
                )
                for _ in range(9)
            ),
            now=noon(10),
        )  # fmt: skip
        assert {verdict.status for verdict in verdicts} == {"accepted"}

        assert check_budgets(now=noon(2)) == 4

        month = BudgetMonth.objects.get(budget=texts)
        assert (month.used, month.expected) == (9 * Decimal(10**12 - 1), MAX_STORED)

    def test_counts_one_agent_where_one_is_named(self, agency):
        ana, _ = make_agents(agency, "ana", "ben")
        of_minutes(agency, agent=ana)
        minutes(900, agent="ben")
        minutes(500, agent="ana")

        check_budgets(now=noon(10))

        assert alerts() == [(MARCH, 50, "reached")]

    def test_says_when_the_limit_will_be_reached(self, agency):
        of_minutes(agency, 2000, thresholds=[100])
        minutes(800, day=5)

        assert check_budgets(now=noon(11)) == 1
        assert check_budgets(now=noon(12)) == 0

        alert = BudgetAlert.objects.get()
        assert (alert.kind, alert.threshold) == ("forecast", 100)
        assert alert.expected_on == date(2026, 3, 25)
        event = OutboxEvent.objects.get(type="usage.forecast_reached")
        assert event.payload["expected_on"] == "2026-03-25"
        mail = Mail.objects.get()
        assert mail.subject == (
            "SUNRISE: the budget for March 2026 will be used up on the 25th"
        )
        assert "used up on 25 March 2026" in mail.text

    def test_says_when_an_amount_will_be_reached(self, agency):
        budget(agency, amount=Decimal("36.00"), thresholds=[100])
        minutes(800, day=5)

        check_budgets(now=noon(11))

        assert BudgetAlert.objects.get().expected_on == date(2026, 3, 25)

    def test_writes_event_and_mail_with_the_alert(self, agency):
        hard = of_minutes(agency, thresholds=[100], hard=True)
        minutes(1000)

        check_budgets(now=noon(10))

        event = OutboxEvent.objects.get(type="usage.threshold_reached")
        stored = {
            "budget": str(hard.public_id), "agency": "SUNRISE", "agent": None,
            "meter": "voice.out", "month": "2026-03-01", "threshold": 100,
            "used": "1000", "limit": "1000", "unit": "minute", "hard": True,
            "expected_on": None,
        }  # fmt: skip
        assert event.payload == stored
        delivered = msgspec.to_builtins(data_of(event.type, event.payload))
        assert delivered == {**stored, "month": "2026-03"}
        mail = Mail.objects.get()
        assert mail.to == ["boss@sunrise.example"]
        assert mail.agency == agency
        assert mail.subject == ("SUNRISE: 100 % of the budget for March 2026 is used")
        assert "has used 1000 of 1000 minute in March 2026" in mail.text
        assert "calls that count toward it are refused" in mail.text

    def test_publishes_an_event_where_nobody_has_an_address(self, agency):
        BillingAccount.objects.update(email="")
        of_minutes(agency, thresholds=[100])
        minutes(1000)

        assert check_budgets(now=noon(10)) == 1
        assert not Mail.objects.exists()
        assert OutboxEvent.objects.filter(type="usage.threshold_reached").exists()

    def test_begins_anew_with_each_month(self, agency):
        of_minutes(agency, thresholds=[100])
        for month in (3, 4):
            minutes(1000, day=10, month=month)
            check_budgets(now=noon(10, month))

        assert alerts() == [(MARCH, 100, "reached"), (APRIL, 100, "reached")]

    def test_uses_the_local_dates_of_the_agency(self, agency):
        """At three in the morning UTC it is March in New York, and April in London."""
        london = make_agency("LONDON", zone="Europe/London")
        of_minutes(agency, thresholds=[100])
        of_minutes(london, thresholds=[100])
        at = datetime(2026, 4, 1, 3, tzinfo=UTC)
        for code in ("SUNRISE", "LONDON"):
            use(call(code, quantity=Decimal(60_000), occurred_at=at), now=at)

        check_budgets(now=at)

        assert set(
            BudgetAlert.objects.values_list("budget__agency__code", "month", "sent_on")
        ) == {
            ("SUNRISE", MARCH, date(2026, 3, 31)),
            ("LONDON", APRIL, APRIL),
        }  # fmt: skip

    def test_counts_late_usage_for_its_own_month(self, agency):
        of_minutes(agency, thresholds=[100])
        minutes(600, day=20)
        check_budgets(now=LATE)
        assert alerts() == []
        bill(MARCH)
        at = noon(5, 4)
        use(call(quantity=Decimal(24_000), occurred_at=noon(30)), now=at)

        assert check_budgets(now=at) == 1

        assert alerts() == [(MARCH, 100, "reached")]

    def test_looks_at_no_month_before_the_budget(self, agency):
        minutes(1000, day=10)
        of_minutes(agency, thresholds=[100], now=noon(1, 4))

        assert check_budgets(now=noon(2, 4)) == 0

    def test_takes_back_nothing_where_usage_is_taken_back(self, agency):
        of_minutes(agency, thresholds=[100])
        minutes(1000, id="first")
        check_budgets(now=noon(10))
        at = noon(11)
        use(call(id="second", supersedes="first", quantity=Decimal(600),
                 occurred_at=noon(10)), now=at)  # fmt: skip
        assert check_budgets(now=at) == 0

        assert BudgetMonth.objects.get().used == 10
        minutes(995, day=12)
        assert check_budgets(now=noon(12)) == 0
        assert alerts() == [(MARCH, 100, "reached")]

    def test_leaves_alone_what_has_no_price(self, agency):
        of_minutes(make_agency("ZURICH", currency="CHF"), thresholds=[100])
        of_minutes(agency, thresholds=[100])
        minutes(1000)

        assert check_budgets(now=noon(10)) == 1

    def test_makes_the_same_few_queries_for_many_agencies(self, agency):
        def count_queries():
            with CaptureQueriesContext(connection) as queries:
                check_budgets(now=noon(10))
            return len(queries)

        of_minutes(agency)
        count_queries()
        few = count_queries()
        for n in range(8):
            of_minutes(make_agency(f"A{n}"))
            budget(make_agency(f"B{n}"), amount=Decimal(9))

        assert count_queries() == few

    def test_the_database_holds_an_alert_once(self, agency):
        of_minutes(agency, thresholds=[100])
        minutes(1000)
        check_budgets(now=noon(10))
        alert = BudgetAlert.objects.get()

        alert.pk = None
        with pytest.raises(IntegrityError, match="one_alert_per_threshold"):
            alert.save(force_insert=True)


class TestBudgets:
    @pytest.mark.parametrize(
        "wrong",
        [
            {},
            {"amount": Decimal(1), "quantity": Decimal(1)},
            {"quantity": Decimal(1)},
            {"amount": Decimal(0)},
            {"amount": Decimal("NaN")},
            {"amount": Decimal("1.001")},
            {"amount": Decimal(10) ** 15},
            {"amount": Decimal(1), "thresholds": [50, 50]},
            {"amount": Decimal(1), "thresholds": [0]},
            {"amount": Decimal(1), "thresholds": [*range(1, 12)]},
        ],
    )
    def test_are_refused_where_they_make_no_sense(self, agency, wrong):
        with pytest.raises(BadBudget):
            budget(agency, **wrong)
        assert not Budget.objects.exists()

    def test_are_of_agents_of_the_agency(self, agency):
        (stranger,) = make_agents(make_agency("OTHER"), "eve")

        with pytest.raises(BadBudget, match="another agency"):
            of_minutes(agency, agent=stranger)
        mine = of_minutes(agency)
        with pytest.raises(IntegrityError, match="budget_agent_is_of_its_agency"):
            Budget.objects.filter(pk=mine.pk).update(agent=stranger)

    def test_are_one_for_each_thing_and_hardness(self, agency):
        of_minutes(agency)
        of_minutes(agency, hard=True)

        with pytest.raises(BudgetExists):
            of_minutes(agency, 5)

    def test_change_their_quantity_and_thresholds(self, agency):
        mine = of_minutes(agency)
        minutes(500)
        check_budgets(now=noon(10))

        changed = change_budget(
            budget=mine, actor="boss", quantity=Decimal(500), thresholds=[100, 50]
        )

        assert (changed.quantity, changed.thresholds) == (Decimal(500), [50, 100])
        assert changed.changed_by == "boss"
        check_budgets(now=noon(10) + timedelta(minutes=1))
        assert alerts() == [(MARCH, 50, "reached"), (MARCH, 100, "reached")]
        with pytest.raises(BadBudget):
            change_budget(budget=mine, actor="boss", amount=Decimal(1))

    def test_that_are_removed_are_gone_with_their_alerts(self, agency):
        mine = of_minutes(agency)
        minutes(500)
        check_budgets(now=noon(10))

        remove_budget(budget=mine)
        remove_budget(budget=mine)

        assert not BudgetAlert.objects.exists()
        assert OutboxEvent.objects.filter(type="usage.threshold_reached").exists()
        with pytest.raises(BudgetGone):
            change_budget(budget=mine, actor="boss", quantity=Decimal(1))
