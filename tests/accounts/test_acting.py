"""Support acts as a member: who may, what it may do, when it ends, and who sees it."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.accounts.middleware import needs_second_factor
from seats.models import (
    Agent,
    AuditEntry,
    Invitation,
    Member,
    SupportAccess,
    SupportSession,
    SupportView,
    User,
)
from seats.support.services import allow_changes
from tests.accounts.conftest import PASSWORD
from tests.accounts.people import add_app, is_logged_in, log_in
from tests.build import MARCH_1, make_agency, make_agents
from tests.members import choice
from tests.staff import confirm, page_of
from tests.staff import log_in as enter

pytestmark = pytest.mark.django_db
START = page_of(SupportSession, "add")
END = reverse("end_acting")
OVERVIEW, AGENTS = "/agency/", "/agency/seats/agent/"
ACTIVITY = "/agency/seats/auditentry/"
REASON = "Ticket 7: cannot find the invoice"


@pytest.fixture
def ann(db):
    user = User.objects.create_user("ann@staff.example", "a b c", is_staff=True)
    user.name = "Ann"
    user.save()
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["add_supportsession", "view_member",
                                                "view_supportsession"])
    )  # fmt: skip
    return user


def start(client, member, *, reason=REASON, **more):
    content = {"agency": member.agency_id, "user": member.user_id, "reason": reason}
    return client.post(START, {**content, **more})


@pytest.fixture
def membership(agency, owner):
    make_agents(agency, "Cleo")
    return Member.objects.get(user=owner)


@pytest.fixture
def acting(ann, membership):
    client = enter(ann)
    answer = start(client, membership)
    assert (answer.status_code, answer["location"]) == (302, OVERVIEW), (
        answer.context and answer.context["errors"]
    )
    return client


def activity_of(owner):
    """The sentences on the activity page of the owner."""
    answer = enter(owner).get(ACTIVITY)
    return [row.words.sentence for row in answer.context["cl"].result_list]


def allow(agency, owner, *, until=None):
    now = timezone.now()
    until = until or now + timedelta(days=1)
    return allow_changes(agency=agency, allowed_by=owner, until=until, now=now)


def add_an_agent(client, agency):
    """As a member does, by the form and its confirmation."""
    content = {"agency": agency.pk, "agents": "new1, New Agent", "on": "", "reason": ""}
    return confirm(client, f"{AGENTS}add/", content)


class TestStart:
    def test_shows_the_pages_of_the_member_with_a_banner(self, acting, owner, agency):
        for path in (OVERVIEW, AGENTS, f"{AGENTS}{Agent.objects.get().pk}/change/",
                     ACTIVITY, "/admin/", START, "/accounts/password/change/"):  # fmt: skip
            page = acting.get(path)
            text = page.content.decode()
            assert page.status_code == 200, path
            assert "<strong>Ann</strong> acts as <strong>Olivia</strong>" in text, path
            assert f'action="{END}"' in text, path
        assert "Cleo" in acting.get(AGENTS).content.decode()

    def test_is_offered_on_the_page_of_members(self, ann, membership):
        page = enter(ann).get(page_of(Member, "changelist")).content.decode()

        link = f"{START}?agency={membership.agency_id}&amp;user={membership.user_id}"
        assert link in page

    def test_needs_the_permission(self, ann, membership):
        ann.user_permissions.remove(
            Permission.objects.get(codename="add_supportsession")
        )

        assert start(enter(ann), membership).status_code == 403
        assert not SupportSession.objects.exists()
        assert (
            "Act as"
            not in enter(ann).get(page_of(Member, "changelist")).content.decode()
        )

    def test_needs_a_reason(self, ann, membership):
        answer = start(enter(ann), membership, reason=" ")

        assert answer.context["errors"]
        assert not SupportSession.objects.exists()

    def test_needs_a_confirmation_of_who_it_is(self, staff, membership):
        client, _ = log_in(staff.email)
        with time_machine.travel(timezone.now() + timedelta(minutes=16)):
            answer = start(client, membership)
            assert answer.url.startswith(reverse("account_reauthenticate"))
            assert not SupportSession.objects.exists()
            client.post(answer.url, {"password": PASSWORD}, follow=True)
            assert SupportSession.objects.get().reason == REASON

    @pytest.mark.parametrize("right", ["is_staff", "is_superuser"])
    def test_is_never_as_staff(self, ann, membership, owner, right):
        User.objects.filter(pk=owner.pk).update(**{right: True})
        answer = start(enter(ann), membership)

        assert "is no active member" in str(answer.context["errors"])
        assert enter(ann).get(OVERVIEW).status_code == 302
        with (
            pytest.raises(IntegrityError, match="support acts as"),
            transaction.atomic(),
        ):
            SupportSession.objects.create(
                staff=ann, user=owner, agency=membership.agency, reason="x",
                started_at=MARCH_1, expires_at=MARCH_1 + timedelta(hours=1),
            )  # fmt: skip

    def test_is_never_as_somebody_of_another_agency(self, ann, membership):
        membership.agency = make_agency("OTHER")
        answer = start(enter(ann), membership)

        assert "is no active member of OTHER" in str(answer.context["errors"])

    def test_does_not_pass_by_the_second_factor_of_the_staff_user(
        self, staff, membership, settings
    ):
        settings.MFA_MANDATORY = True
        client = enter(staff)

        assert needs_second_factor(staff)
        assert start(client, membership).url == reverse("mfa_index")
        add_app(client)
        assert start(client, membership).url == OVERVIEW
        # The member needs one as well, and support does not set it up.
        assert client.get(OVERVIEW).status_code == 200

    def test_leaves_the_sessions_of_the_member_alone(self, ann, membership, owner):
        member, _ = log_in(owner.email)
        owner.refresh_from_db()
        before, key = owner.last_login, member.session.session_key
        client = enter(ann)
        start(client, membership)
        client.post(END)
        start(client, membership)
        client.logout()
        owner.refresh_from_db()

        assert is_logged_in(member)
        assert member.session.session_key == key
        assert Session.objects.filter(session_key=key).exists()
        assert owner.last_login == before


class TestReading:
    def test_is_all_there_is(self, acting, owner):
        for path in (AGENTS, f"{AGENTS}add/", "/agency/billing/budget/add/"):
            answer = acting.post(path, {"name": "x"})
            assert answer.status_code == 403
            assert "may only look" in answer.content.decode()
        assert Agent.objects.count() == 1
        assert acting.get(f"{AGENTS}add/").status_code == 404
        assert (
            acting.put(AGENTS).status_code == acting.delete(AGENTS).status_code == 403
        )

    def test_is_of_the_agency_alone(self, acting, owner):
        """Other agencies of the same person are none of this session's."""
        other = make_agency("OTHER")
        make_agents(other, "Zed")
        Member.objects.create(
            user=owner, agency=other, role="owner", created_at=MARCH_1
        )

        assert "Zed" not in acting.get(AGENTS).content.decode()
        assert "Zed" in enter(owner).get(AGENTS).content.decode()

    def test_leaves_the_account_pages_those_of_the_staff_user(self, acting, ann, owner):
        page = acting.get("/accounts/sessions/").content.decode()

        assert page
        acting.post("/accounts/password/change/", {"oldpassword": "x"})
        owner.refresh_from_db()
        assert owner.check_password("correct horse battery")
        assert acting.get("/admin/").context["user"] == ann


class TestChanges:
    def test_are_possible_while_an_owner_allows_them(self, acting, ann, owner, agency):
        allow(agency, owner)
        add_an_agent(acting, agency)
        assert Agent.objects.filter(external_id="new1").exists()
        entry = AuditEntry.objects.filter(table_name="seats_agent").latest("id")

        assert entry.actor == ann
        assert entry.acting_as == owner
        assert any(
            s.startswith("Support (Ann) as Olivia (owner) added the agent New Agent")
            for s in activity_of(owner)
        )
        SupportAccess.objects.update(ended_at=timezone.now())
        assert acting.post(f"{AGENTS}add/", {}).status_code == 403

    def test_end_with_the_time_that_was_allowed(self, acting, owner, agency):
        allow(agency, owner, until=timezone.now() + timedelta(minutes=10))
        with time_machine.travel(timezone.now() + timedelta(minutes=11)):
            assert acting.post(f"{AGENTS}add/", {}).status_code == 403

    def test_are_not_allowed_by_another_agency(self, acting, owner):
        allow(make_agency("OTHER"), owner)

        assert acting.post(f"{AGENTS}add/", {}).status_code == 403

    def test_are_never_of_members_keys_or_the_access_itself(
        self, acting, owner, agency
    ):
        allow(agency, owner)
        for path in ("seats/invitation/add/", "seats/supportaccess/add/",
                     "billing/webhookendpoint/add/"):  # fmt: skip
            assert acting.get(f"/agency/{path}").status_code in {403, 404}, path
            content = {"agency": agency.pk, "email": "x@example.com", "role": "owner"}
            assert acting.post(f"/agency/{path}", content).status_code in {403, 404}
        member = Member.objects.get(user=owner)
        acting.post("/agency/seats/member/", choice("end", member, apply="1"))
        assert Member.objects.filter(user=owner).exists()
        assert not Invitation.objects.exists()
        assert SupportAccess.objects.count() == 1


class TestEnd:
    def test_is_by_the_button(self, acting, owner):
        answer = acting.post(END)

        assert answer.url == page_of(SupportSession, "changelist")
        assert SupportSession.objects.get().ending == "ended"
        assert "acts as" not in acting.get("/admin/").content.decode()
        assert acting.get(OVERVIEW).status_code == 302  # staff is no member
        assert acting.get(END).status_code == 405
        assert acting.post(END).status_code == 302

    @pytest.mark.parametrize("path", ["/accounts/logout/", "/agency/logout/",
                                      "/admin/logout/"])  # fmt: skip
    def test_is_by_logging_out(self, acting, path):
        acting.post(path)

        assert not is_logged_in(acting)
        assert SupportSession.objects.get().ending == "logged_out"

    def test_is_after_60_minutes_at_the_latest(self, acting):
        session = SupportSession.objects.get()
        with time_machine.travel(session.expires_at - timedelta(seconds=1)):
            assert acting.get(OVERVIEW).status_code == 200
        with time_machine.travel(session.expires_at):
            answer = acting.get(OVERVIEW)
            assert answer.url == page_of(SupportSession, "changelist")
        session.refresh_from_db()

        assert session.ending == "expired"
        assert session.ended_at == session.expires_at
        assert session.expires_at - session.started_at == timedelta(minutes=60)

    @pytest.mark.parametrize("change", [
        lambda ann, owner: ann.user_permissions.clear(),
        lambda ann, owner: Member.objects.filter(user=owner).delete(),
        lambda ann, owner: User.objects.filter(pk=owner.pk).update(is_staff=True),
        lambda ann, owner: User.objects.filter(pk=owner.pk).update(is_active=False),
    ])  # fmt: skip
    def test_is_when_somebody_is_no_longer_who_it_was(self, acting, ann, owner, change):
        change(ann, owner)

        assert acting.get(AGENTS).status_code == 302
        assert SupportSession.objects.get().ending == "refused"

    def test_is_when_another_begins(self, acting, membership):
        start(acting, membership)

        assert list(SupportSession.objects.values_list("ending", flat=True)) == [
            "", "ended"
        ]  # fmt: skip

    def test_is_not_forged_by_another_staff_user(self, acting, staff, membership):
        session = SupportSession.objects.get()
        client = enter(staff)
        store = client.session
        store["acting_as"] = session.pk
        store.save()

        assert client.get(OVERVIEW).status_code == 302
        assert "acting_as" not in client.session


class TestRecord:
    def test_shows_the_owner_who_came_why_what_was_opened_and_when_it_ended(
        self, acting, owner
    ):
        acting.get(f"{AGENTS}?q=cleo")
        acting.post(AGENTS, {})
        acting.post(END)
        lines = activity_of(owner)

        assert lines[:4] == [
            "Support (Ann) stopped to act as Olivia: ended by support.",
            "Support (Ann) as Olivia (owner) sent POST /agency/seats/agent/ (403).",
            "Support (Ann) as Olivia (owner) opened /agency/seats/agent/?q=cleo (200).",
            f"Support (Ann) began to act as Olivia for up to 60 minutes. Reason: {REASON}",
        ]
        assert SupportView.objects.count() == 2

    def test_is_not_for_members_without_the_right(self, acting, agency):
        user = User.objects.create_user("sue@sunrise.example", "a b c")
        Member.objects.create(
            user=user, agency=agency, role="supervisor", created_at=MARCH_1
        )
        acting.get(AGENTS)

        assert not [line for line in activity_of(user) if "Ann" in line]


class TestAccess:
    PAGE = "/agency/seats/supportaccess/"

    def test_is_allowed_by_owners_for_a_time_and_ended(self, owner, agency):
        client = enter(owner)
        day = timezone.now() + timedelta(days=2)
        content = {"agency": agency.pk, "last_day": f"{day:%Y-%m-%d}"}
        answer = client.post(f"{self.PAGE}add/", content)
        access = SupportAccess.objects.get()

        assert answer.status_code == 302
        assert access.allowed_by == owner
        assert access.until - timezone.now() > timedelta(days=1)
        again = client.post(f"{self.PAGE}add/", content)
        assert "already" in str(again.context["errors"])
        confirm(client, self.PAGE, choice("end", access))
        access.refresh_from_db()
        assert access.ended_at
        lines = activity_of(owner)
        assert "Olivia (owner) ended the access of support to make changes" in lines[0]
        assert any("Olivia (owner) allowed support to make changes until" in s
                   for s in lines)  # fmt: skip

    @pytest.mark.parametrize("days", [-1, 31, 4000])
    def test_is_for_30_days_at_most(self, owner, agency, days):
        day = timezone.now() + timedelta(days=days)
        content = {"agency": agency.pk, "last_day": f"{day:%Y-%m-%d}"}
        answer = enter(owner).post(f"{self.PAGE}add/", content)

        assert "within 30 days" in str(answer.context["errors"])

    @pytest.mark.parametrize("role", ["admin", "billing_viewer", "supervisor"])
    def test_is_not_allowed_by_others(self, agency, role):
        user = User.objects.create_user("x@sunrise.example", "a b c")
        Member.objects.create(user=user, agency=agency, role=role, created_at=MARCH_1)

        assert enter(user).post(f"{self.PAGE}add/", {}).status_code == 404

    def test_is_looked_up_once_a_request(self, acting):
        with CaptureQueriesContext(connection) as queries:
            acting.get(OVERVIEW)
        reads = [q for q in queries if 'FROM "seats_supportsession"' in q["sql"]]
        assert len(reads) == 1


def test_a_browser_without_a_session_pays_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        Client().get("/accounts/login/")
