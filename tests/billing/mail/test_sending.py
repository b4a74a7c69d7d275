"""Sending mails to real servers, kind and unkind."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from django.conf import settings as django_settings

from billing.mail.models import Mail
from billing.mail.services.sending import send_due
from tests.billing.mail.servers import OK, free_port, point_at, silent
from tests.billing.mail.test_queue import NOW, write
from tests.billing.webhooks.conftest import Clock

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
ADDRESS = "ana@sunrise.example"


class TestSendDue:
    def test_sends_once(self, mailbox):
        mail = write()

        assert send_due(clock=lambda: NOW) == 1
        assert send_due(clock=lambda: NOW + 10 * MINUTE) == 0

        (sent,) = mailbox.mails
        assert (sent["From"], sent["To"]) == (
            "Billing <billing@dialer.example>", ADDRESS,
        )  # fmt: skip
        assert sent["Message-ID"] == f"<{mail.public_id}@dialer.example>"
        assert parsedate_to_datetime(sent["Date"]) == NOW
        bodies = {
            part.get_content_type(): part.get_content().replace("\r\n", "\n")
            for part in sent.walk()
            if not part.is_multipart()
        }
        assert bodies == {
            "text/plain": "Dear Ana, you owe nothing.\n",
            "text/html": "<p>Dear Ana, you owe nothing.</p>\n",
        }
        mail.refresh_from_db()
        assert (mail.state, mail.sent_at, mail.attempts) == ("sent", NOW, 1)

    def test_leaves_what_is_not_due(self, mailbox):
        write(now=NOW + MINUTE)

        assert send_due(clock=lambda: NOW) == 0
        assert send_due(clock=lambda: NOW + MINUTE) == 1

    def test_tries_again_later_what_the_server_puts_off(self, mailbox):
        mailbox.reply = lambda: "451 greylisted"
        mail = write()

        assert send_due(clock=lambda: NOW) == 1
        mail.refresh_from_db()
        assert (mail.state, mail.last_error) == ("queued", "451 greylisted")
        assert mail.next_attempt_at == NOW + MINUTE
        mailbox.reply = lambda: OK
        assert send_due(clock=lambda: NOW) == 0
        assert send_due(clock=lambda: NOW + MINUTE) == 1

        first, second = mailbox.mails
        assert first["Message-ID"] == second["Message-ID"]
        mail.refresh_from_db()
        assert (mail.state, mail.attempts, mail.last_error) == ("sent", 2, "")

    def test_gives_up_after_two_days(self, mailbox):
        mailbox.rcpt = lambda address: "450 later"
        mail = write()
        clock = Clock()
        clock.now = NOW
        while mail.state == "queued":
            assert send_due(clock=clock) == 1
            mail.refresh_from_db()
            clock.now = max(mail.next_attempt_at, clock.now)

        assert (mail.state, mail.last_error) == ("failed", "450 later")
        assert timedelta(hours=47) < clock.now - NOW <= timedelta(hours=48)
        assert mail.attempts == len(django_settings.BILLING["MAIL_RETRIES"]) + 1

    def test_gives_up_at_once_what_the_server_refuses(self, mailbox):
        mailbox.rcpt = lambda address: "550 no such user"
        mail = write()

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert (mail.state, mail.last_error) == ("failed", "550 no such user")
        assert mailbox.mails == []

    def test_says_so_where_only_some_get_it_and_does_not_repeat_it(self, mailbox):
        mailbox.rcpt = lambda address: OK if address == ADDRESS else "450 later"
        mail = write(to=[ADDRESS, "ben@sunrise.example"])

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert mail.state == "failed"
        assert mail.last_error == "Sent, but some recipients were refused: 450 later"
        assert len(mailbox.mails) == 1

    @pytest.mark.parametrize(
        "address", ["nobody", "ana@b.example\r\nBcc: eve@c.example", "a@b@c.example"]
    )
    def test_sends_nothing_to_what_is_no_address(self, mailbox, address):
        mail = write(to=[address, ADDRESS])

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert mail.state == "failed"
        assert mailbox.mails == []

    def test_one_that_fails_does_not_hold_up_the_others(self, mailbox):
        mailbox.rcpt = lambda address: OK if address == ADDRESS else "550 no"
        write(to=["eve@sunrise.example"])
        write()

        assert send_due(clock=lambda: NOW) == 2
        assert len(mailbox.mails) == 1

    def test_waits_where_nobody_listens(self, settings):
        point_at(settings, free_port())
        mail = write()

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert mail.state == "queued"
        assert "ConnectionRefusedError" in mail.last_error

    def test_does_not_wait_for_ever_for_a_server_that_hangs(self, settings):
        with silent() as port:
            point_at(settings, port, EMAIL_TIMEOUT=0.3)
            mail = write()
            started = datetime.now(UTC)

            send_due(clock=lambda: NOW)

        assert datetime.now(UTC) - started < timedelta(seconds=5)
        mail.refresh_from_db()
        assert (mail.state, mail.next_attempt_at) == ("queued", NOW + MINUTE)

    def test_takes_a_wrong_password_for_no_fault_of_the_mail(self, mailbox, settings):
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "us", "wrong"
        mail = write()

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert mail.state == "queued"

    def test_logs_no_address_and_nothing_the_server_said(self, mailbox, caplog):
        mailbox.rcpt = lambda address: f"550 {address} unknown"
        write()
        with caplog.at_level(logging.DEBUG):
            send_due(clock=lambda: NOW)

        messages = [r.getMessage() for r in caplog.records if r.name != "mail.log"]
        assert not any("sunrise.example" in line or "550" in line for line in messages)
        assert any("failed" in line for line in messages)


class TestAttempts:
    def claimed(self, attempts):
        """As a worker leaves it that was killed while it was sending."""
        mail = write()
        Mail.objects.filter(pk=mail.pk).update(
            state="sending", attempts=attempts, leased_until=NOW
        )
        return mail

    def test_that_were_cut_off_are_made_again_when_the_lease_is_over(self, mailbox):
        mail = self.claimed(attempts=1)

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert (mail.state, mail.attempts) == ("sent", 2)

    def test_that_are_under_way_are_left_alone(self, mailbox):
        mail = self.claimed(attempts=1)
        Mail.objects.filter(pk=mail.pk).update(
            leased_until=datetime.now(UTC) + 100 * MINUTE
        )

        assert send_due(clock=lambda: NOW + 200 * MINUTE) == 0

    def test_that_never_end_come_to_an_end(self, mailbox):
        mail = self.claimed(attempts=11)

        send_due(clock=lambda: NOW)

        mail.refresh_from_db()
        assert (mail.state, mail.attempts) == ("failed", 11)
        assert mail.last_error == "Every attempt ended without a result."
        assert mailbox.mails == []
