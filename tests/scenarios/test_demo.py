"""The demo's documents, and the example invoice of the billing rules."""

import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.db.models import Max, Min

from billing.budgets.models import BudgetAlert
from billing.collection.models.disputes import Dispute
from billing.dunning.models import DunningCase
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.left_to_pay import with_left_to_pay
from billing.invoicing.verification.services import verify_books
from billing.management.demo.cast import DEMO_MEMBERS
from billing.management.demo.money import budget, collect
from billing.management.demo.people import make_people
from billing.management.demo.play import steps
from billing.metering.models import UsageDay
from billing.receivables.models import Refund
from seats.models import Member
from tests.build import bill, make_agency, make_agents, make_prices

RULES = Path(__file__).resolve().parents[2] / "docs" / "billing-rules.md"
NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)


@pytest.mark.django_db
class TestDemo:
    def test_bills_as_the_rules_work_it_by_hand(self, tmp_path, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
        make_prices()
        out = io.StringIO()

        def close(month: date) -> None:
            bill(month, now=NOW)

        with time_machine.travel(NOW):
            for _, work in steps(date(2026, 9, 1), tmp_path, close, NOW, out):
                work()
        (printed,) = re.findall(r"```invoice\n(.+?)\n```", RULES.read_text())
        expected = json.loads(printed)
        documents = {str(document): document for document in Document.objects.all()}
        invoice = documents[expected["document"]]
        lines = {
            line.meter.code if line.meter else "seats": line.amount
            for line in invoice.lines.select_related("meter")
        }

        assert "0 rejected" in out.getvalue()
        assert lines == {key: Decimal(a) for key, a in expected["lines"].items()}
        assert invoice.total == Decimal(expected["total"])
        assert len(documents) == 14
        assert [d.kind for d in documents.values()].count("correction") == 1
        assert any(line.late for d in documents.values() for line in d.lines.all())
        dates = UsageDay.objects.filter(used_on__gte=date(2026, 11, 1)).aggregate(
            first=Min("used_on"), last=Max("used_on")
        )
        assert dates == {"first": date(2026, 11, 2), "last": date(2026, 11, 21)}
        assert verify_books().findings == []
        self.has_something_for_each_page_of_money()

    def has_something_for_each_page_of_money(self):
        collect(now=NOW)
        budget(now=NOW)

        left = {
            str(document): document.left_to_pay
            for document in with_left_to_pay(Document.objects.filter(state="open"))
        }
        assert left["SUNRISE-00002"] > 0  # for its owner to pay
        assert "SUNRISE-00001" not in left
        assert Decimal(0) < left["DESERT-00001"] < Decimal(200)
        assert Refund.objects.get().payment.payer.code == "HARBOR"
        assert Dispute.objects.get(state="open").payment.payer.code == "REDROCK"
        assert DunningCase.objects.get(closed_at=None).payer.code == "LAKESIDE"
        assert BudgetAlert.objects.filter(budget__agency__code="SUNRISE").exists()
        idle = UsageDay.objects.filter(
            agent__external_id="sunrise104", used_on__gte=date(2026, 11, 1)
        )
        assert not idle.exists()
        assert verify_books().findings == []

    def test_has_a_member_of_each_role_who_can_log_in(self, client):
        for code in {code for _, code, _ in DEMO_MEMBERS}:
            make_agents(make_agency(code), "ana")

        make_people(password="a b c", now=NOW)

        for email, _, role in DEMO_MEMBERS:
            member = Member.objects.get(user__email=email)
            assert member.role == role
            assert (member.agent is not None) == (role == "agent")
            assert client.login(username=email, password="a b c")
            assert client.get("/", follow=True).request["PATH_INFO"] == "/agency/"
        assert {role for _, _, role in DEMO_MEMBERS} == set(Member.Role.values)
