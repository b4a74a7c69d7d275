"""The timeline, as staff and members read it on the pages of both sites."""

import re
from decimal import Decimal

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.budgets.services.budgets import add_budget, change_budget
from core.audit import Origin, changes_from
from seats.api_keys.services import create_key
from seats.models import Agent, AuditEntry, Member, User
from tests.build import MARCH, MARCH_1, make_agency, make_agents, make_seats
from tests.downline import BELOW, HOME, make_downline, make_people
from tests.members import member
from tests.staff import confirm, log_in, make_staff

pytestmark = pytest.mark.django_db
ACTIVITY, STAFF_ACTIVITY = "/agency/seats/auditentry/", "/admin/seats/auditentry/"
WHEN = re.compile(r"^[A-Z][a-z]{2} \d{1,2}, \d{4}, \d\d:\d\d E[SD]T$")


@pytest.fixture
def agency():
    return make_agency()


@pytest.fixture
def dana(agency):
    user = User.objects.create_user("dana@sunrise.example", "a b c", name="Dana Reyes")
    Member.objects.create(user=user, agency=agency, role="owner", created_at=MARCH_1)
    return user


def sentences(client: Client, url: str = ACTIVITY, **query: str) -> list[str]:
    answer = client.get(url, query)
    assert answer.status_code == 200
    return [row.words.sentence for row in answer.context["cl"].result_list]


def by_hand():
    """Forget the origin of the changes before, as the end of a transaction does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.origin', '', true)")


def change_amount(agency, user, reason="Grew"):
    budget = add_budget(
        agency=agency, owner=agency, amount=Decimal(500), actor="a", now=MARCH_1
    )
    with changes_from(Origin(actor=user.pk, ip="192.0.2.9", reason=reason)):
        change_budget(budget=budget, owner=agency, actor="a", amount=Decimal(650))
    by_hand()


class TestMembersRead:
    def test_who_changed_a_budget_and_why(self, agency, dana):
        change_amount(agency, dana)
        client = log_in(dana)
        row = client.get(ACTIVITY).context["cl"].result_list[0]

        assert row.words.sentence == (
            "Dana Reyes (owner) changed the amount of the budget of SUNRISE from"
            " 500.00 USD to 650.00 USD. Reason: Grew"
        )
        assert WHEN.match(row.words.when)
        assert row.words.where == "192.0.2.9"
        page = client.get(f"{ACTIVITY}{row.pk}/change/").content.decode()
        assert "from 500.00 USD to 650.00 USD" in page

    def test_what_they_changed_on_a_page(self, agency, dana):
        """By the door: the address, the person and the note come with the request."""
        make_agents(agency, "Ann")
        client = log_in(dana)
        confirm(
            client, "/agency/seats/agent/",
            {"action": "add_a_seat", "_selected_action": [Agent.objects.get().pk],
                "on": f"{timezone.now():%Y-%m-%d}",
             "reason": "New hire"},
        )  # fmt: skip
        (added,) = [line for line in sentences(client) if "a seat" in line]

        assert added.startswith("Dana Reyes (owner) added a seat for Ann (Ann) from ")
        assert added.endswith("Reason: New hire")
        entry = AuditEntry.objects.get(table_name="seats_seatversion")
        assert (entry.ip, entry.path) == ("127.0.0.1", "POST /agency/seats/agent/")
        assert entry.request_id

    def test_of_seats_in_words_of_their_own(self, agency, dana):
        make_seats(agency, "Ann", on=MARCH)
        client = log_in(dana)

        assert "Support added a seat for Ann (Ann) from Mar 1, 2026 on." in sentences(
            client
        )

    def test_no_money_without_the_right_to_it(self, agency, dana):
        change_amount(agency, dana)
        supervisor, viewer = (
            member(agency, "supervisor"),
            member(agency, "billing_viewer"),
        )

        assert not [s for s in sentences(supervisor) if "budget" in s or ".00" in s]
        assert [s for s in sentences(viewer) if "650.00 USD" in s]

    def test_nothing_as_agents(self, agency):
        (ann,) = make_agents(agency, "Ann")
        user = User.objects.create_user("ann@sunrise.example", "a b c")
        Member.objects.create(
            user=user, agency=agency, role="agent", agent=ann, created_at=MARCH_1
        )

        assert log_in(user).get(ACTIVITY).status_code == 404

    def test_no_name_of_staff_that_did_not_act_as_a_member(self, agency, dana):
        ann = make_staff("ann.staff@example.com")
        change_amount(agency, ann, reason="Internal note")
        page = log_in(dana).get(ACTIVITY).content.decode()

        assert "Support changed the amount" in page
        assert "ann.staff" not in page
        assert "Internal note" not in page
        assert "192.0.2.9" not in page

    def test_nothing_of_who_is_above(self, settings):
        agencies = make_downline(settings)
        people = {person.name: person for person in make_people(agencies)}
        top = User.objects.get(email="owner@topzz.example.com")
        with changes_from(Origin(actor=top.pk, reason="topzz reason", ip="192.0.2.1")):
            Agent.objects.filter(agency=agencies[BELOW]).update(name="Renamed")
        below = people["owner@belowzz"].client

        lines = sentences(below)
        assert "Somebody of another agency changed the name of the agent Renamed" in (
            "\n".join(lines)
        )
        text = below.get(ACTIVITY, {"all": ""}).content.decode().lower()
        assert not {"topzz", "homezz", "192.0.2.1"} & set(
            re.findall(r"[\w.]+zz|192[\d.]+", text)
        )
        # A budget that the agency above set up is not there, nor is the upline itself.
        assert not [line for line in lines if "budget" in line or "upline" in line]
        assert [line for line in sentences(people[f"owner@{HOME.lower()}"].client)
                if "the budget" in line]  # fmt: skip

    def test_drafts_of_documents_once_they_are_issued(self, settings):
        agencies = make_downline(settings)
        home = next(p for p in make_people(agencies) if p.name == "owner@homezz")
        lines = [s for s in sentences(home.client, what="billing_document")]

        issued = ("from Draft to Open", "Open to Paid")
        assert lines
        assert [s for s in lines if not any(part in s for part in issued)] == []

    def test_only_members_and_the_rows_that_a_filter_names(self, agency, dana):
        change_amount(agency, dana)
        agent, other = make_agents(agency, "Ann", "Bob")
        with changes_from(Origin(actor=dana.pk)):
            Agent.objects.update(npn="7")
        client, stranger = log_in(dana), make_staff("other@example.com")

        assert len(sentences(client, who=str(dana.pk))) == 3
        assert sentences(client, who=str(stranger.pk)) == []
        assert sentences(client, who="support") == []
        assert len(sentences(client, what="seats_agent")) == 4
        assert len(sentences(client, row=f"seats_agent:{agent.pk}")) == 2
        assert sentences(client, row="billing_paymentprocessor:1") == []
        assert sentences(client, what="seats_user") == []
        assert sentences(client, month="2019-01") == []
        assert sentences(client, month="nonsense") == []
        month = f"{AuditEntry.objects.latest('at').at:%Y-%m}"
        assert len(sentences(client, month=month)) == len(sentences(client))
        assert other.pk

    def test_a_row_from_its_history(self, agency, dana):
        (agent,) = make_agents(agency, "Ann")
        history = log_in(dana).get(f"/agency/seats/agent/{agent.pk}/history/")

        link = f"{ACTIVITY}?row=seats_agent:{agent.pk}"
        assert link in history.content.decode()
        assert len(sentences(log_in(dana), link)) == 1

    def test_with_as_many_queries_for_many_as_for_few(self, agency, dana):
        make_agents(agency, "A1", "A2")
        client = log_in(dana)
        client.get(ACTIVITY)
        with CaptureQueriesContext(
            connection,
        ) as few:
            client.get(ACTIVITY)
        make_agents(agency, *(f"B{n}" for n in range(40)))
        change = Agent.objects.filter(agency=agency)
        with changes_from(Origin(actor=dana.pk)):
            change.update(npn="8")
        with CaptureQueriesContext(connection) as many:
            client.get(ACTIVITY)

        assert len(many) == len(few) <= 29  # four of them choose the role that reads


class TestStaffRead:
    def test_everything_by_whom_and_from_where(self, agency, dana):
        change_amount(agency, dana)
        key, _ = create_key(
            agency=agency,
            scopes=["seats:write"],
            actor="a",
            now=MARCH_1,
            label="dialer",
        )
        with changes_from(Origin(key=key.pk)):
            make_agents(agency, "Ann")
        with changes_from(Origin(process="task metering.decide")):
            make_agents(agency, "Bob")
        by_hand()
        make_agents(agency, "Cleo")
        client = log_in(make_staff())
        lines = sentences(client, STAFF_ACTIVITY)

        assert any(s.startswith("Dana Reyes (owner) changed the amount") for s in lines)
        assert f"The API key {key} added the agent Ann (Ann) of SUNRISE." in lines
        assert "The task metering.decide added the agent Bob (Bob) of SUNRISE." in lines
        assert any(s.startswith("Somebody in the database") for s in lines)
        (row,) = AuditEntry.objects.filter(key=key)
        page = client.get(f"{STAFF_ACTIVITY}{row.pk}/change/")
        assert page.status_code == 200
        assert "external_id" in page.content.decode()

    @pytest.mark.parametrize("who", ["staff", "support", "members", "keys", "system",
                                     "database", "nobody"])  # fmt: skip
    def test_a_kind_of_actor(self, agency, dana, who):
        change_amount(agency, dana)
        lines = sentences(log_in(make_staff()), STAFF_ACTIVITY, who=who)

        assert bool(lines) == (who in {"members", "database"})

    def test_only_changes_of_what_their_job_shows(self, agency):
        create_key(agency=agency, scopes=["seats:read"], actor="a", now=MARCH_1)
        support = log_in(make_staff("s@example.com", job="support"))
        admin = log_in(make_staff("a@example.com", job="admin"))

        assert not [s for s in sentences(support, STAFF_ACTIVITY) if "API key" in s]
        assert [s for s in sentences(admin, STAFF_ACTIVITY) if "API key" in s]

    def test_the_second_factor_and_the_jobs_of_users(self, agency):
        boss = make_staff("boss@example.com")
        clerk = make_staff("clerk@example.com", job="support")
        lines = sentences(log_in(boss), STAFF_ACTIVITY)

        assert any("added the job clerk@example.com (support)" in s for s in lines)
        Authenticator.objects.create(user=clerk, type="totp", data={"secret": "canary"})
        lines = sentences(log_in(boss), STAFF_ACTIVITY)
        assert any("added the second factor clerk@example.com" in s for s in lines)
        assert not AuditEntry.objects.filter(after__contains={"data": {}}).exists()


class TestApiKeys:
    def test_are_named_with_what_they_change(self, agency, dana):
        key, token = create_key(
            agency=agency,
            scopes=["seats:write"],
            actor="a",
            now=MARCH_1,
            label="dialer",
        )
        answer = Client().post(
            "/api/v1/agents",
            {"agency": "SUNRISE", "external_id": "x1", "name": "Xena"},
            content_type="application/json",
            headers={"authorization": f"Bearer {token}"},
        )
        entry = AuditEntry.objects.get(table_name="seats_agent")

        assert answer.status_code == 201, answer.content
        assert (entry.key_id, entry.actor_id) == (key.pk, None)
        assert entry.path == "POST /api/v1/agents"
        assert any(s.startswith(f"The API key {key} added the agent Xena")
                   for s in sentences(log_in(dana)))  # fmt: skip


class TestPaths:
    def test_keep_no_key_of_a_mailed_link(self, agency, dana):
        client = Client()
        client.post(
            "/accounts/invitations/secret-token-1234/", {"name": "x"},
        )  # fmt: skip
        assert not AuditEntry.objects.filter(path__contains="secret-token").exists()
