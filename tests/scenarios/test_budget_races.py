"""Concurrent sweeps over budgets."""

from decimal import Decimal

import pytest

from billing.accounts.models import BillingAccount
from billing.budgets.models import BudgetAlert
from billing.budgets.services.alerts import check_budgets
from billing.invoicing.verification.services import verify_books
from billing.mail.models import Mail
from billing.webhooks.models import OutboxEvent
from tests.billing.budgets.test_alerting import budget, minutes, noon, of_minutes
from tests.build import make_agency, make_prices

pytestmark = [pytest.mark.usefixtures("fresh_database"), pytest.mark.timeout(120)]


class TestCheckBudgets:
    def test_sends_each_alert_once_however_many_sweeps_run(self, run_in_threads):
        make_prices()
        for n in range(5):
            agency = make_agency(f"A{n}")
            BillingAccount.objects.filter(payer=agency).update(
                email=f"boss@a{n}.example"
            )
            of_minutes(agency)
            budget(agency, amount=Decimal(18))
            minutes(1000, agency=f"A{n}")

        counts = run_in_threads(*[lambda: check_budgets(now=noon(10))] * 4)
        counts.append(check_budgets(now=noon(10)))

        assert sum(counts) == 5 * 2 * 3
        assert BudgetAlert.objects.count() == 30
        assert Mail.objects.count() == 30
        assert OutboxEvent.objects.filter(type__startswith="usage.").count() == 30
        assert verify_books().findings == []
