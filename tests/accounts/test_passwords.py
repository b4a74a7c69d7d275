"""Logging in by password, and getting a new one by mail."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.mail.models import Mail
from seats.models import User
from tests.accounts.conftest import PASSWORD
from tests.accounts.people import is_logged_in, link_in, log_in, mails_of, text_of

RESET = reverse("account_reset_password")
NEW = "another long password"
pytestmark = pytest.mark.django_db


def choose(link, password=NEW, *, client=None):
    """Open the link of a mail and send its form."""
    client = client or Client()
    page = client.get(link, follow=True)
    if page.context.get("token_fail"):
        return page
    fields = {"password1": password, "password2": password}
    return client.post(page.request["PATH_INFO"], fields, follow=True)


class TestLogIn:
    def test_opens_what_was_wanted(self, staff):
        client = Client()
        sent = client.get("/admin/seats/seat/")
        assert sent["Location"].startswith("/admin/login/?next=")
        login = client.get(sent["Location"])
        assert login["Location"] == "/accounts/login/?next=/admin/seats/seat/"

        fields = {"login": staff.email, "password": PASSWORD}
        answer = client.post(
            login["Location"], {**fields, "next": "/admin/seats/seat/"}
        )

        assert answer["Location"] == "/admin/seats/seat/"
        assert client.get("/admin/seats/seat/").status_code == 200
        # A session, as long as it is used: not a cookie for two weeks.
        assert client.cookies["sessionid"]["max-age"] == 8 * 3600

    def test_goes_nowhere_else(self, staff):
        fields = {"login": staff.email, "password": PASSWORD}
        for elsewhere in ("https://evil.example/", "//evil.example/", "javascript:x"):
            answer = Client().post(
                reverse("account_login"), {**fields, "next": elsewhere}
            )

            assert answer["Location"] == "/"

    def test_says_the_same_whatever_is_wrong(self, staff):
        User.objects.create_user("gone@example.com", PASSWORD, is_active=False)

        tries = {"nobody@example.com": PASSWORD, "gone@example.com": PASSWORD,
                 staff.email: "wrong"}  # fmt: skip
        answers = [log_in(email, password)[1] for email, password in tries.items()]

        assert {answer.status_code for answer in answers} == {200}
        errors = {str(answer.context["form"].errors) for answer in answers}
        assert len(errors) == 1
        assert "The e-mail address or the password is wrong." in errors.pop()

    def test_survives_nul_and_half_characters(self, staff):
        client = Client()
        client.cookies["sessionid"] = "\0" * 32
        for text in ("%00@example.com", "%ed%a0%80@example.com", "%ff", "x" * 5000):
            answer = client.post(
                reverse("account_login"),
                f"login={text}&password=%00&next=/%00",
                content_type="application/x-www-form-urlencoded",
            )
            assert answer.status_code == 200

    def test_is_closed_for_sign_up(self):
        fields = {"email": "eve@evil.example", "password1": NEW}

        answer = Client().post(reverse("account_signup"), fields)

        assert b"by invitation only" in answer.content
        assert not User.objects.exists()


class TestReset:
    def test_sets_a_password_once_and_ends_all_sessions(self, staff, mailbox):
        session, _ = log_in(staff.email)
        assert is_logged_in(session)

        sent = Client().post(RESET, {"email": staff.email.upper()}, follow=True)
        (mail,) = mails_of(mailbox)
        done = choose(link_in(mail))
        again = choose(link_in(mail), "a third password")

        assert b"link is on its way" in sent.content
        assert (mail["To"], mail["Subject"]) == (staff.email, "Reset your password")
        assert b"Your new password is saved" in done.content
        assert b"This link has ended" in again.content
        assert not is_logged_in(session)
        assert log_in(staff.email)[1].status_code == 200
        assert log_in(staff.email, NEW)[1].status_code == 302
        *_, notice = mails_of(mailbox)
        assert "was reset" in text_of(notice)

    def test_answers_the_same_without_an_account_and_mails_nobody(self, staff, mailbox):
        member = Client().post(RESET, {"email": staff.email}, follow=True)
        stranger = Client().post(RESET, {"email": "nobody@example.com"}, follow=True)

        assert member.content == stranger.content
        assert [mail["To"] for mail in mails_of(mailbox)] == [staff.email]

    def test_does_the_same_work_without_an_account(self, staff):
        """The mail is rendered and written, and then not kept."""
        kinds = []
        for email in (staff.email, "nobody@example.com"):
            with CaptureQueriesContext(connection) as queries:
                Client().post(RESET, {"email": email})
            kinds.append([query["sql"].split()[0] for query in queries])

        assert "INSERT" in kinds[1]
        ends = {"RELEASE", "ROLLBACK"}
        works = [[kind for kind in each if kind not in ends] for each in kinds]
        assert works[0] == works[1]
        assert Mail.objects.count() == 1

    def test_finds_nobody_under_a_look_alike(self, mailbox):
        """The database takes a dotless i for an i: the link would go to another."""
        User.objects.create_user("billing@example.com", PASSWORD)
        for email in ("b\u0131lling@example.com", "billing@example\u3002com"):
            Client().post(RESET, {"email": email})

        assert mails_of(mailbox) == []

    def test_ends_after_an_hour(self, staff, mailbox):
        Client().post(RESET, {"email": staff.email})
        (mail,) = mails_of(mailbox)

        with time_machine.travel(timezone.now() + timedelta(minutes=61)):
            late = choose(link_in(mail))

        assert b"This link has ended" in late.content
        assert log_in(staff.email)[1].status_code == 302

    def test_mails_an_address_a_few_times_only(self, staff):
        answers = [
            Client().post(RESET, {"email": staff.email}).status_code for _ in range(8)
        ]

        assert Mail.objects.count() == 5
        assert answers.count(429) == 3

    def test_shows_staff_no_link(self, staff):
        Client().post(RESET, {"email": staff.email})
        mail = Mail.objects.get()
        admin = Client()
        admin.force_login(User.objects.create_superuser("other@example.com", PASSWORD))

        page = admin.get(reverse("admin:billing_mail_change", args=[mail.pk]))
        probe = admin.get(reverse("admin:billing_mail_changelist"), {"text__gt": "A"})

        assert "password/reset/key" in mail.text
        assert b"for the addressee alone" in page.content
        assert b"password/reset/key" not in page.content
        assert probe.status_code == 400


class TestChange:
    def test_ends_the_other_sessions_alone(self, staff, mailbox):
        here, _ = log_in(staff.email)
        there, _ = log_in(staff.email)
        fields = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}

        wrong = here.post(
            reverse("account_change_password"), {**fields, "oldpassword": "wrong"}
        )
        assert wrong.context["form"].errors["oldpassword"]
        assert is_logged_in(there)
        here.post(reverse("account_change_password"), fields)

        assert is_logged_in(here)
        assert not is_logged_in(there)
        (notice,) = mails_of(mailbox)
        assert "was changed" in text_of(notice)

    def test_is_no_quicker_way_to_guess_the_password(self, staff):
        """Who has a session of somebody else can guess no more often than at log-in."""
        here, _ = log_in(staff.email)
        page = reverse("account_change_password")
        fields = {"oldpassword": "wrong", "password1": NEW, "password2": NEW}
        now = timezone.now()

        statuses = []
        for minute in range(12):
            with time_machine.travel(now + timedelta(minutes=minute)):
                statuses.append(here.post(page, fields).status_code)

        assert statuses == [200] * 10 + [429] * 2

    def test_stands_behind_the_link_of_the_admin(self, staff):
        client, _ = log_in(staff.email)

        answer = client.get(reverse("admin:password_change"))

        assert answer["Location"] == reverse("account_change_password")
