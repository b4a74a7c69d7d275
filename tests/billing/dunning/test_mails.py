"""The mails that dunning sends to a payer's people."""

from datetime import date

import pytest

from billing.dunning.models import DunningStep
from billing.dunning.services.cases import hold_dunning
from billing.mail.models import Mail
from seats.models import Member, User
from tests.billing.dunning.conftest import ISSUED, pay, published_types
from tests.build import APRIL, MARCH, bill

pytestmark = pytest.mark.django_db
SCHEDULED, ENDED = "retry_scheduled", "ended"
NEEDED, OVERDUE, SUSPENDED = "payment_method_needed", "overdue", "suspended"


class TestMails:
    def test_tell_what_is_owed_and_what_comes_in_the_dates_of_the_agency(
        self, payer, card, days
    ):
        card()
        bill(MARCH)
        days.faults = ["soft"]
        days.at(0)

        mail = Mail.objects.get()

        assert mail.to == ["sunrise@example.com"]
        assert mail.subject == (
            "SUNRISE: invoice SUNRISE-00001 will be charged again on April 5, 2026"
        )
        assert "SUNRISE-00001: 100.00 USD, due on April 16, 2026" in mail.text
        assert "visa" not in mail.text + mail.html

    def test_go_to_owners_and_billing_viewers_and_to_nobody_else(self, payer, days):
        for role in Member.Role.values:
            if role != "agent":
                user = User.objects.create_user(f"{role}@example.com")
                Member.objects.create(
                    user=user, agency=payer, role=role, created_at=ISSUED
                )
        User.objects.filter(email="billing_viewer@example.com").update(is_active=False)
        bill(MARCH)
        days.at(14)

        assert {mail.to[0] for mail in Mail.objects.all()} == {
            "sunrise@example.com", "owner@example.com",
        }  # fmt: skip

    def test_are_one_for_each_moment_that_is_mailed(self, payer, card, days):
        card()
        bill(MARCH)
        days.faults = ["soft"] * 9
        for number in range(30):
            days.at(number)
        pay(payer, 100, days.now)

        templates = Mail.objects.order_by("pk").values_list("template", flat=True)
        assert [name.removeprefix("dunning_") for name in templates] == [
            SCHEDULED, SCHEDULED, SCHEDULED, SCHEDULED, OVERDUE, SUSPENDED, ENDED,
        ]  # fmt: skip
        ended = Mail.objects.get(template="dunning_ended")
        assert "no longer suspended" in ended.text

    def test_stand_beside_an_event_for_each_step(self, payer, days):
        bill(MARCH)
        for number in (14, 21):
            days.at(number)

        steps = DunningStep.objects.order_by("pk").values_list("kind", flat=True)
        assert [
            kind for kind in published_types(payer) if kind.startswith("dunning.")
        ] == [f"dunning.{kind}" for kind in steps]

    def test_name_only_what_is_overdue_where_calls_are_stopped(self, payer, card, days):
        bill(MARCH)
        card()
        days.faults = ["hard", "hard"]
        days.at(28)  # charged in vain
        days.at(32)
        bill(APRIL)
        for number in (33, 36, 43):  # the newer one is charged in vain, due on day 44
            days.at(number)

        suspended = Mail.objects.get(template="dunning_suspended")
        needed = Mail.objects.filter(template="dunning_payment_method_needed")
        assert "SUNRISE-00001" in suspended.text
        assert "SUNRISE-00002" not in suspended.text
        assert "SUNRISE-00002" in needed[0].text

    def test_say_in_each_state_what_comes_next(self, payer, card, days):
        bill(MARCH)
        card()
        days.faults = ["soft"] + ["hard"] * 5
        texts = {}
        for number in range(40):
            days.at(number)
        hold_dunning(
            payer=payer, until=date(2026, 5, 30), reason="private", actor="staff",
            now=days.now,
        )  # fmt: skip
        for mail in Mail.objects.order_by("pk"):
            texts[mail.template.removeprefix("dunning_")] = " ".join(mail.text.split())
            assert "  " not in mail.subject
            assert "None" not in mail.text + mail.html + mail.subject
            assert "private" not in mail.text + mail.html

        assert "will be charged again on" in texts[SCHEDULED]
        assert "these invoices become overdue on" in texts[NEEDED]
        assert "outbound calls will be suspended on" in texts[OVERDUE]
        assert "allowed again as soon as all overdue" in texts[SUSPENDED]
        assert "will wait until May 30, 2026 for" in texts["held"]
        assert "calls are not suspended until then" in texts["held"]
