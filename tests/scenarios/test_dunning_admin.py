"""Staff look at who owes late, wait for a promise, and read what happened."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.dunning.models import DunningHold
from billing.dunning.services.cases import hold_dunning
from billing.dunning.services.sweep import step_due
from seats.models import User
from tests.billing.dunning.conftest import DUE, make_payer, pay
from tests.build import MARCH, bill, make_prices
from tests.staff import confirm

pytestmark = pytest.mark.django_db
CASES = reverse("admin:billing_dunningcase_changelist")
HOLDS = reverse("admin:billing_dunninghold_changelist")
ADD_HOLD = reverse("admin:billing_dunninghold_add")


@pytest.fixture
def payer(settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    payer = make_payer()
    bill(MARCH)
    step_due(now=DUE)
    return payer


@pytest.fixture
def soon():
    """A date in two weeks, as the form wants it."""
    day = timezone.now().date() + timedelta(days=14)
    return {"until": day.isoformat()}


class TestCases:
    def test_are_shown_with_their_steps(self, staff, payer):
        case = payer.dunning_cases.get()

        assert "Sunrise Agency" in staff.get(CASES).content.decode()
        page = staff.get(reverse("admin:billing_dunningcase_change", args=[case.pk]))
        content = page.content.decode()

        assert "Dunning of SUNRISE since" in content
        assert "overdue" in content
        assert "SUNRISE-00001" in content

    def test_are_held_by_an_action_that_asks_why(self, staff, payer, soon):
        case = payer.dunning_cases.get()
        content = {"action": "hold", "_selected_action": [case.pk]}

        form_page = staff.post(CASES, content)
        assert "reason" in form_page.content.decode()
        confirm(staff, CASES, content | {"reason": "promised", **soon})

        hold = DunningHold.objects.get()
        assert (hold.payer, hold.reason) == (payer, "promised")
        assert hold.actor == "staff@example.com"

    def test_show_a_refusal_and_hold_nobody(self, staff, payer):
        case = payer.dunning_cases.get()
        content = {"action": "hold", "_selected_action": [case.pk], "apply": "1"}
        late = {"until": "2036-01-01"}

        page = confirm(staff, CASES, content | {"reason": "promised", **late})

        assert page.status_code == 200
        assert not DunningHold.objects.exists()

    def test_take_as_many_queries_for_many_as_for_few(self, staff, payer):
        case = payer.dunning_cases.get()
        case_page = reverse("admin:billing_dunningcase_change", args=[case.pk])
        for path in (CASES, case_page):  # what is asked once in a process
            staff.get(path)
        few = [queries_of(staff, path) for path in (CASES, case_page)]
        for number in range(20):
            make_payer(f"A{number}")
        bill(MARCH)
        step_due(now=DUE)
        for day in range(1, 20):  # a case of many steps
            hold_dunning(
                payer=payer, until=(DUE + timedelta(days=day)).date(), reason="promised",
                actor="test", now=DUE,
            )  # fmt: skip

        assert [queries_of(staff, path) for path in (CASES, case_page)] == few


def queries_of(client, path):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


class TestHolds:
    def test_are_added_for_payers_without_a_case(self, staff, payer, soon):
        pay(payer, 100, DUE)

        added = staff.post(ADD_HOLD, {"payer": payer.pk, "reason": "promised", **soon})

        assert added.status_code == 302
        assert "promised" in staff.get(HOLDS).content.decode()


class TestTimeline:
    def test_is_linked_at_the_agency_and_the_account(self, staff, payer):
        link = reverse("admin:billing_timeline", args=["SUNRISE"])

        for page in (
            reverse("admin:seats_agency_change", args=[payer.pk]),
            reverse("admin:billing_billingaccount_changelist"),
        ):
            assert f'href="{link}"' in staff.get(page).content.decode()

    def test_tells_what_happened_newest_first(self, staff, payer):
        page = staff.get(reverse("admin:billing_timeline", args=["SUNRISE"]))

        content = page.content.decode()
        lines = [
            "100.00 USD is overdue. Calls will be suspended on 2026-04-23.",
            (
                "Invoice SUNRISE-00001 for 2026-03 was issued: 100.00 USD, due on"
                " 2026-04-16."
            ),
            "Seat of ana was added from 2026-03-01 on.",
        ]
        places = [content.index(line) for line in lines]
        assert places == sorted(places)
        assert "2026-04-16 08:00 EDT" in content

    @pytest.mark.parametrize("before", ["", "x", "-1", "9" * 40, "0"])
    def test_takes_any_number_of_a_page(self, staff, payer, before):
        link = reverse("admin:billing_timeline", args=["SUNRISE"])

        assert staff.get(f"{link}?before={before}").status_code == 200

    def test_is_for_staff_alone(self, client, staff, payer):
        link = reverse("admin:billing_timeline", args=["SUNRISE"])
        assert staff.get(link.replace("SUNRISE", "NOBODY")).status_code == 404
        user = User.objects.create_user("other@example.com", "x" * 12, is_staff=True)

        client.force_login(user)

        assert client.get(link).status_code == 403
