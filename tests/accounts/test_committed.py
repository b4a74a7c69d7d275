"""What follows a commit, and what happens at once."""

from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from seats.members.services import create_invitation
from seats.models import Member, User
from tests.accounts.conftest import PASSWORD
from tests.accounts.people import (
    Passkey,
    add_app,
    confirm_password,
    is_logged_in,
    link_in,
    log_in,
    mails_of,
    text_of,
)
from tests.build import make_agency


def test_a_first_factor_ends_the_other_sessions_and_is_mailed(fresh_database, mailbox):
    user = User.objects.create_superuser("staff@example.com", PASSWORD)
    older, _ = log_in(user.email)
    here, _ = log_in(user.email)
    confirm_password(here)

    add_app(here)
    Passkey().register(here)

    assert is_logged_in(here)
    assert not is_logged_in(older)
    assert not Session.objects.filter(pk=older.session.session_key).exists()
    notices = [text_of(mail) for mail in mails_of(mailbox)]
    assert [notice.partition(".")[0] for notice in notices] == [
        "An authenticator app was added to your account",
        "A passkey was added to your account",
    ]
    assert "http://testserver/accounts/password/reset/" in notices[0]


def test_an_invitation_makes_one_member_however_often_it_is_accepted_at_once(
    fresh_database, mailbox, run_in_threads
):
    staff = User.objects.create_superuser("staff@example.com", PASSWORD)
    create_invitation(
        agency=make_agency(), email="nia@sunrise.example", role="admin",
        invited_by=staff, page_url="http://testserver/accounts/invitations/",
        now=timezone.now(),
    )  # fmt: skip
    link = link_in(mails_of(mailbox)[0])
    fields = {"name": "Nia", "password": "a long new one"}
    fields["password_again"] = fields["password"]

    answers = run_in_threads(*[lambda: Client().post(link, fields).status_code] * 4)

    assert sorted(answers) == [302, 404, 404, 404]
    assert Member.objects.get().user.email == "nia@sunrise.example"
