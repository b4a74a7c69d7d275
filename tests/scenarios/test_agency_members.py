"""Owners invite people to their agency at `/agency/`, change roles, end memberships."""

import pytest
from django.test import Client

from billing.mail.models import Mail
from seats.models import Agency, Agent, Invitation, Member
from tests.downline import BELOW, HOME
from tests.members import choice, effects_of, messages_of
from tests.staff import confirm, confirmation, snapshot

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
MEMBERS, INVITATIONS = "/agency/seats/member/", "/agency/seats/invitation/"
INVITE = f"{INVITATIONS}add/"
GUEST = "bea@sunrise.example.com"


def invite(client: Client, agency: Agency, **changes: object) -> int:
    content = {
        "agency": agency.pk, "email": GUEST, "role": "billing_viewer", "agent": "",
        **changes,
    }  # fmt: skip
    return client.post(INVITE, content).status_code


class TestInviting:
    def test_mails_a_link_and_lists_who_was_invited(self, agencies, people):
        owner = people[0].client
        before = Mail.objects.count()

        assert invite(owner, agencies[HOME]) == 302

        row = Invitation.objects.get(email=GUEST)
        listed = owner.get(INVITATIONS).content.decode()
        assert (row.agency, row.role) == (agencies[HOME], "billing_viewer")
        assert row.invited_by.email == "owner@homezz.example.com"
        assert Mail.objects.count() == before + 1
        assert GUEST in listed
        assert row.digest not in listed

    def test_of_an_agent_names_one_of_the_agency(self, agencies, people):
        owner = people[0].client
        for agent in Agent.objects.filter(
            agency__in=agencies.values(), external_id__endswith="-1"
        ):
            invite(owner, agencies[HOME], role="agent", agent=agent.pk)

        (row,) = Invitation.objects.filter(email=GUEST)
        assert row.agent
        assert row.agent.external_id == "homezz-1"

    def test_to_agencies_below_is_not_the_upline_s_affair(self, agencies, people):
        before = snapshot()

        assert invite(people[0].client, agencies[BELOW]) == 200  # no such choice
        assert snapshot() == before

    def test_is_nobody_s_but_owners(self, agencies, people):
        before = snapshot()
        for person in people[1:8]:
            answer = invite(person.client, agencies[HOME])
            assert answer in (200, 404), person
            if HOME in person.reaches:
                assert answer == 404
        assert snapshot() == before

    def test_waits_until_the_owner_confirmed_who_it_is(self, agencies, people):
        owner = people[0].client
        session = owner.session
        session["account_authentication_methods"] = []
        session.save()
        member = Member.objects.get(agency=agencies[HOME], role="admin")

        answer = owner.post(INVITE, {"agency": agencies[HOME].pk, "email": GUEST})
        ending = owner.post(MEMBERS, choice("end", member))

        assert "/reauthenticate/" in answer.headers["location"]
        assert "/reauthenticate/" in ending.headers["location"]
        assert not Invitation.objects.filter(email=GUEST).exists()

    def test_is_revoked_by_owners(self, agencies, people):
        invite(people[0].client, agencies[HOME])
        row = Invitation.objects.get(email=GUEST)

        confirm(people[1].client, INVITATIONS, choice("revoke", row))
        row.refresh_from_db()
        is_open = row.revoked_at is None
        done = confirm(people[0].client, INVITATIONS, choice("revoke", row))

        assert is_open
        assert messages_of(done) == ["1 revoked."]


class TestEnding:
    def test_takes_the_access_away_at_the_next_request(self, agencies, people):
        owner, viewer = people[0].client, people[2].client
        member = Member.objects.get(agency=agencies[HOME], role="billing_viewer")
        before = viewer.get("/agency/").status_code

        done = confirm(owner, MEMBERS, choice("end", member))

        assert messages_of(done) == ["1 ended."]
        assert (before, viewer.get("/agency/").status_code) == (200, 302)

    def test_leaves_an_owner(self, agencies, people):
        owner = Member.objects.get(agency=agencies[HOME], role="owner")

        page = people[0].client.post(MEMBERS, choice("end", owner))
        confirm(people[0].client, MEMBERS, choice("end", owner))

        assert "HOMEZZ would have no owner" in page.content.decode()
        assert Member.objects.filter(pk=owner.pk).exists()

    def test_is_nobody_s_but_owners(self, agencies, people):
        """Not even with the form that an owner saw."""
        member = Member.objects.get(agency=agencies[HOME], role="supervisor")
        stolen = confirmation(people[0].client, MEMBERS, choice("end", member))
        for person in people[1:]:
            before = snapshot()
            person.client.post(MEMBERS, stolen)
            confirm(person.client, MEMBERS, choice("end", member))
            assert snapshot() == before, person


class TestRoles:
    def test_change_and_count_at_the_next_request(self, agencies, people):
        owner, admin = people[0].client, people[1].client
        row = Member.objects.get(agency=agencies[HOME], role="admin")
        before = admin.get("/agency/billing/document/").status_code

        page = owner.post(
            MEMBERS, choice("change_role", row, role="supervisor", apply="1")
        )
        done = confirm(owner, MEMBERS, choice("change_role", row, role="supervisor"))

        assert "becomes Supervisor of HOMEZZ" in effects_of(page)[0]
        assert messages_of(done) == ["admin@homezz.example.com is now Supervisor."]
        assert (before, admin.get("/agency/billing/document/").status_code) == (
            200,
            404,
        )

    def test_leave_an_owner(self, agencies, people):
        owner = Member.objects.get(agency=agencies[HOME], role="owner")

        page = confirm(
            people[0].client, MEMBERS, choice("change_role", owner, role="admin")
        )

        assert "HOMEZZ would have no owner" in page.content.decode()
        owner.refresh_from_db()
        assert owner.role == "owner"

    def test_of_an_agent_name_one_of_the_agency(self, agencies, people):
        row = Member.objects.get(agency=agencies[HOME], role="supervisor")
        agents = {
            code: Agent.objects.filter(agency=agencies[code]).earliest("pk")
            for code in (HOME, BELOW)
        }
        for agent in (None, agents[BELOW]):
            key = agent.pk if agent else ""
            confirm(
                people[0].client, MEMBERS,
                choice("change_role", row, role="agent", agent=key),
            )  # fmt: skip
            row.refresh_from_db()
            assert row.role == "supervisor"
        content = choice("change_role", row, role="agent", agent=agents[HOME].pk)
        confirm(people[0].client, MEMBERS, content)
        row.refresh_from_db()
        assert (row.role, row.agent) == ("agent", agents[HOME])

    def test_are_owners_affair_who_confirmed_who_they_are(self, agencies, people):
        row = Member.objects.get(agency=agencies[HOME], role="supervisor")
        content = choice("change_role", row, role="owner")
        stolen = confirmation(people[0].client, MEMBERS, content)
        for person in people[1:]:
            before = snapshot()
            person.client.post(MEMBERS, stolen)
            confirm(person.client, MEMBERS, content)
            assert snapshot() == before, person
        session = people[0].client.session
        session["account_authentication_methods"] = []
        session.save()
        answer = people[0].client.post(MEMBERS, stolen)
        assert "/reauthenticate/" in answer.headers["location"]
