"""Writing mails with their cause."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.utils import ProgrammingError
from django.template import TemplateDoesNotExist
from django.urls import reverse

from billing.mail.models import Mail
from billing.mail.services.outbox import (
    NoMailServer,
    NotWaiting,
    queue_mail,
    resend_mails,
)
from billing.mail.services.sending import send_due
from seats.models import User
from tests.build import make_agency
from tests.staff import confirm

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def write(**changes):
    payload = {
        "to": ["ana@sunrise.example"], "template": "greeting",
        "context": {"name": "Ana"}, "subject_key": "greeting:1", "agency_id": None,
        "now": NOW,
    }  # fmt: skip
    with transaction.atomic():
        return queue_mail(**{**payload, **changes})


class TestQueueMail:
    def test_renders_when_it_is_queued(self, mailbox):
        agency = make_agency()

        mail = write(agency_id=agency.pk)

        assert mail.subject == "Hello Ana"
        assert mail.text == "Dear Ana, you owe nothing.\n"
        assert mail.html == "<p>Dear Ana, you owe nothing.</p>\n"
        assert (mail.state, mail.next_attempt_at) == ("queued", NOW)

    def test_escapes_in_html_alone(self, mailbox):
        mail = write(context={"name": "A & <b>"})

        assert mail.subject == "Hello A & <b>"
        assert mail.text.startswith("Dear A & <b>,")
        assert mail.html.startswith("<p>Dear A &amp; &lt;b&gt;,")

    def test_keeps_the_subject_one_line_whatever_stands_in_it(self, mailbox):
        mail = write(context={"name": "Ana\r\nBcc: eve@evil.example\x0b\u2028end"})

        assert mail.subject == "Hello Ana Bcc: eve@evil.example end"
        send_due(clock=lambda: NOW)
        (sent,) = mailbox.mails
        assert sent["Bcc"] is None
        assert sent["Subject"] == mail.subject

    def test_tells_the_same_to_the_same_once(self, mailbox):
        first = write()

        assert write() is None
        assert write(to=[" ana@sunrise.example", "ana@sunrise.example"]) is None
        assert write(subject_key="greeting:2")
        assert write(to=["ben@sunrise.example"])
        assert first
        assert Mail.objects.count() == 3

    def test_writes_to_nobody_where_there_is_no_address(self, mailbox):
        assert write(to=["", " "]) is None
        assert not Mail.objects.exists()

    def test_goes_with_its_cause(self, mailbox):
        with transaction.atomic():
            write()
            transaction.set_rollback(True)

        assert not Mail.objects.exists()

    def test_refuses_a_template_that_is_not_there(self, mailbox):
        with pytest.raises(TemplateDoesNotExist):
            write(template="nothing")

    def test_the_database_refuses_a_second_one_and_another_text(self, mailbox):
        mail = write()
        with pytest.raises(ProgrammingError), transaction.atomic():
            Mail.objects.filter(pk=mail.pk).update(text="You owe a million.")

        mail.pk, mail.public_id = None, "0197c6a0-0000-7000-8000-000000000000"
        with pytest.raises(IntegrityError, match="one_mail_per_cause"):
            mail.save(force_insert=True)


class TestWithoutAServer:
    def test_mails_are_held_until_they_are_sent_by_hand(self, settings, mailbox):
        port, settings.EMAIL_HOST = settings.EMAIL_PORT, ""
        mail = write()
        assert mail.state == "held"
        assert send_due(clock=lambda: NOW) == 0
        with pytest.raises(NoMailServer):
            resend_mails(mail_ids=[mail.pk], now=NOW)

        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        assert send_due(clock=lambda: NOW) == 0
        assert resend_mails(mail_ids=[mail.pk], now=NOW) == 1
        assert send_due(clock=lambda: NOW) == 1
        assert len(mailbox.mails) == 1

    def test_what_was_queued_before_is_held_when_it_is_due(self, settings, mailbox):
        mail = write()
        settings.DEFAULT_FROM_EMAIL = ""

        assert send_due(clock=lambda: NOW - timedelta(seconds=1)) == 0
        assert Mail.objects.get().state == "queued"
        assert send_due(clock=lambda: NOW) == 0
        assert Mail.objects.get(pk=mail.pk).state == "held"


class TestResend:
    def test_refuses_what_was_sent_or_waits(self, mailbox):
        mail = write()
        with pytest.raises(NotWaiting):
            resend_mails(mail_ids=[mail.pk], now=NOW)
        send_due(clock=lambda: NOW)
        with pytest.raises(NotWaiting):
            resend_mails(mail_ids=[mail.pk], now=NOW)


class TestAdmin:
    @pytest.fixture
    def staff(self, client):
        client.force_login(User.objects.create_superuser("s@example.com", "x" * 12))
        return client

    def send_again(self, staff):
        picked = list(Mail.objects.values_list("pk", flat=True))
        return confirm(
            staff,
            reverse("admin:billing_mail_changelist"),
            {"action": "send_again", "_selected_action": picked},
        ).content.decode()

    def test_says_that_no_server_is_set(self, staff, settings):
        page = staff.get(reverse("admin:billing_mail_changelist")).content.decode()
        assert "No mail server is configured, so mails are held" in page
        write()
        refusal = "No mail server is configured. Set EMAIL_HOST and EMAIL_FROM"
        assert refusal in self.send_again(staff)

    def test_gives_those_that_failed_another_try(self, staff, mailbox):
        mailbox.reply = lambda: "550 no"
        write()
        send_due(clock=lambda: NOW)
        page = staff.get(reverse("admin:billing_mail_changelist")).content.decode()
        assert "550 no" in page
        assert "No mail server is configured" not in page

        assert "1 queued." in self.send_again(staff)
        assert Mail.objects.get().state == "queued"


class TestTurns:
    def test_an_agency_with_many_mails_does_not_stop_the_others(
        self, mailbox, settings
    ):
        settings.BILLING = {**settings.BILLING, "MAIL_CHUNK": 4}
        many, first, second = (make_agency(code) for code in ("MANY", "ONE", "TWO"))
        for n in range(10):
            write(subject_key=f"greeting:{n}", agency_id=many.pk)
        later = NOW + timedelta(seconds=1)
        for agency in (first, second):
            write(subject_key=f"to:{agency.code}", agency_id=agency.pk, now=later)
        write(subject_key="to:staff", now=later)

        assert send_due(clock=lambda: later) == 4

        sent = Mail.objects.filter(state="sent").values_list("agency__code", flat=True)
        assert sorted(sent, key=str) == ["MANY", None, "ONE", "TWO"]
