"""Inviting somebody to an agency, from the admin's page to the member."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, ProgrammingError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from billing.mail.models import Mail
from seats.members.admin.invitations import state_of
from seats.members.services import create_invitation
from seats.models import Invitation, Member, User
from tests.accounts.conftest import PASSWORD
from tests.accounts.people import is_logged_in, link_in, log_in, mails_of, text_of
from tests.build import MARCH_1, make_agency, make_agents
from tests.staff import confirm, make_staff, page_of

NEW = {
    "name": "Nia New",
    "password": "a long new one",
    "password_again": "a long new one",
}
PAGE = "http://testserver/accounts/invitations/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def support(db):
    """Who invites: staff without any right to set passwords of staff."""
    client = Client()
    client.force_login(make_staff("support@example.com", job="support"))
    return client


def invite(client, agency, email="nia@sunrise.example", *, role="owner", agent=None):
    fields = {"agency": agency.pk, "email": email, "role": role}
    if agent:
        fields["agent"] = agent.pk
    return client.post(page_of(Invitation, "add"), fields, follow=True)


def invitation_link(client, agency, mailbox, email="nia@sunrise.example", **changes):
    assert "errors" not in (invite(client, agency, email, **changes).context or {})
    return link_in(mails_of(mailbox)[-1])


class TestInvite:
    def test_mails_a_link_that_makes_a_member(self, support, agency, mailbox):
        invite(support, agency, "Nia@Sunrise.example", role="billing_viewer")
        (mail,) = mails_of(mailbox)
        guest = Client()
        page = guest.get(link_in(mail))
        shown = Invitation.objects.get()
        done = guest.post(link_in(mail), NEW)

        assert mail["To"] == "nia@sunrise.example"
        assert mail["Subject"] == ("support@example.com invites you to Sunrise Agency")
        assert "to be billing viewer of Sunrise Agency" in " ".join(
            text_of(mail).split()
        )
        assert b"Join Sunrise Agency" in page.content
        assert not shown.accepted_at
        assert done["Location"] == "/"
        after = guest.get(reverse("usersessions_list"))
        assert b"You are now Billing Viewer of Sunrise Agency" in after.content
        member = Member.objects.get()
        assert (member.user.email, member.user.name) == (
            "nia@sunrise.example",
            "Nia New",
        )
        assert (member.agency, member.role) == (agency, "billing_viewer")
        assert Invitation.objects.get().accepted_by == member.user
        assert is_logged_in(guest)
        assert log_in("nia@sunrise.example", NEW["password"])[1].status_code == 302

    def test_lets_a_user_join_with_the_password_they_have(
        self, support, owner, mailbox
    ):
        moon = make_agency("MOON")
        link = invitation_link(support, moon, mailbox, owner.email, role="admin")
        guest = Client()

        page = guest.get(link)
        done = guest.post(link, {**NEW, "password": "taken over", "name": "Eve"})

        assert b"keep your password" in page.content
        assert b"new-password" not in page.content
        assert done["Location"] == reverse("account_login")
        assert not is_logged_in(guest)
        owner.refresh_from_db()
        assert owner.name == "Olivia"
        assert owner.check_password(PASSWORD)
        assert owner.memberships.get(agency=moon).role == "admin"

    def test_names_the_agent_of_an_agent(self, support, agency, mailbox):
        (ana,) = make_agents(agency, "ana")
        (other,) = make_agents(make_agency("MOON"), "otto")

        missing = invite(support, agency, role="agent")
        foreign = invite(support, agency, role="agent", agent=other)
        needless = invite(support, agency, role="admin", agent=ana)
        link = invitation_link(support, agency, mailbox, role="agent", agent=ana)
        Client().post(link, NEW)

        for refused in (missing, foreign, needless):
            assert refused.context["adminform"].form.errors["agent"]
        assert Member.objects.get().agent == ana

    def test_says_the_same_whoever_has_an_account(self, support, owner, mailbox):
        """An owner who invites learns nothing of other agencies' people."""
        moon = make_agency("MOON")

        member = invite(support, moon, owner.email)
        stranger = invite(support, moon, "nobody@example.com")

        texts = [
            page.content.decode().replace(email, "EMAIL")
            for page, email in ((member, owner.email), (stranger, "nobody@example.com"))
        ]
        counts = [text.count("was added successfully") for text in texts]
        assert counts == [1, 1]
        assert Mail.objects.filter(template="invitation").count() == 2

    def test_refuses_a_member_of_the_agency(self, support, agency, owner):
        answer = invite(support, agency, owner.email.upper())

        (error,) = answer.context["adminform"].form.errors["email"]
        assert "is a member of SUNRISE already" in error
        assert not Invitation.objects.exists()

    def test_needs_a_recent_confirmation(self, agency, staff):
        client, _ = log_in(staff.email)

        answer = invite(client, agency)
        assert answer.redirect_chain[0][0].startswith(reverse("account_reauthenticate"))
        assert not Invitation.objects.exists()
        client.post(answer.redirect_chain[0][0], {"password": PASSWORD})
        # What was entered is kept, and is carried out once it is confirmed.
        assert Invitation.objects.get().email == "nia@sunrise.example"

    def test_keeps_the_token_to_the_mail(self, support, agency, mailbox):
        link = invitation_link(support, agency, mailbox)
        token = link.split("/")[-2]

        row = Invitation.objects.get()
        pages = [
            support.get(page_of(Invitation, "change", row.pk)),
            support.get(page_of(Invitation, "changelist")),
            support.get(page_of(Mail, "change", Mail.objects.get().pk)),
        ]

        assert token not in str(vars(row))
        assert not any(token.encode() in page.content for page in pages)


class TestEnd:
    def ended(self, link):
        answers = [Client().get(link), Client().post(link, NEW)]
        return all(
            answer.status_code == 404 and b"invitation has ended" in answer.content
            for answer in answers
        )

    def test_it_is_used_once(self, support, agency, mailbox):
        link = invitation_link(support, agency, mailbox)
        Client().post(link, NEW)

        assert self.ended(link)
        assert Member.objects.count() == 1

    def test_it_expires_after_seven_days(self, support, agency, mailbox):
        link = invitation_link(support, agency, mailbox)
        sent = timezone.now()

        with time_machine.travel(sent + timedelta(days=6, hours=23)):
            assert Client().get(link).status_code == 200
        with time_machine.travel(sent + timedelta(days=7, minutes=1)):
            assert self.ended(link)
            assert state_of(Invitation.objects.get()) == "expired"
        assert not User.objects.filter(email="nia@sunrise.example").exists()

    def test_staff_revokes_it(self, support, agency, mailbox):
        link = invitation_link(support, agency, mailbox)
        content = {"action": "revoke", "_selected_action": Invitation.objects.get().pk}

        page = confirm(support, page_of(Invitation, "changelist"), content)

        assert b"1 revoked" in page.content
        assert self.ended(link)

    def test_the_next_one_replaces_it(self, support, agency, mailbox):
        first = invitation_link(support, agency, mailbox)
        second = invitation_link(support, agency, mailbox, role="admin")

        assert self.ended(first)
        assert Client().get(second).status_code == 200

    def test_it_never_was(self):
        for token in ("x", "%00", "x" * 5000, "%ed%a0%80", "%2e%2e"):
            assert self.ended(f"/accounts/invitations/{token}/")

    def test_the_account_is_disabled(self, support, agency, mailbox):
        User.objects.create_user("nia@sunrise.example", PASSWORD, is_active=False)
        link = invitation_link(support, agency, mailbox)

        answer = Client().post(link)

        assert b"is disabled" in answer.content
        assert not Member.objects.exists()

    def test_a_weak_password_changes_nothing(self, support, agency, mailbox):
        link = invitation_link(support, agency, mailbox)
        weak = {
            "12345678": "password", "short": "password",
            "nia@sunrise.example": "password",
        }  # fmt: skip

        for password, field in weak.items():
            fields = {**NEW, "password": password, "password_again": password}
            assert Client().post(link, fields).context["form"].errors[field]
        fields = {**NEW, "password_again": "another long one"}
        assert Client().post(link, fields).context["form"].errors["password_again"]

        assert not Member.objects.exists()
        assert Client().post(link, NEW).status_code == 302


class TestDatabase:
    def test_has_one_open_invitation_per_address(self, agency, owner):
        invitation = create_invitation(
            agency=agency, email="nia@sunrise.example", role="admin", invited_by=owner,
            page_url=PAGE, now=MARCH_1,
        )  # fmt: skip

        invitation.pk, invitation.digest = None, "another"
        invitation.public_id = "019cc0de-0000-7000-8000-000000000000"
        with (
            pytest.raises(IntegrityError, match="invitation_open_agency_email_unique"),
            transaction.atomic(),
        ):
            invitation.save(force_insert=True)

    def test_changes_nothing_of_an_invitation_but_its_end(self, agency, owner):
        create_invitation(
            agency=agency, email="nia@sunrise.example", role="admin", invited_by=owner,
            page_url=PAGE, now=MARCH_1,
        )  # fmt: skip

        for change in ({"role": "owner"}, {"email": "eve@evil.example"}):
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                transaction.atomic(),
            ):
                Invitation.objects.update(**change)
