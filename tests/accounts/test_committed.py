"""What follows a commit: the mail about a new second factor, and the end of sessions."""

from django.contrib.sessions.models import Session

from seats.models import User
from tests.accounts.conftest import PASSWORD
from tests.accounts.people import (
    Passkey,
    add_app,
    confirm_password,
    is_logged_in,
    log_in,
    mails_of,
)


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
    notices = [mail.get_body(("plain",)).get_content() for mail in mails_of(mailbox)]
    assert [notice.partition(".")[0] for notice in notices] == [
        "An authenticator app was added to your account",
        "A passkey was added to your account",
    ]
    assert "http://testserver/accounts/password/reset/" in notices[0]
