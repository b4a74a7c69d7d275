"""Workers that send mails at once, each with transactions of its own."""

import pytest
from django.db import transaction

from billing.mail.models import Mail
from billing.mail.services.outbox import queue_mail
from billing.mail.services.sending import send_due
from tests.billing.mail.servers import TEMPLATES, Mailbox, point_at, running
from tests.billing.mail.test_queue import NOW, write

pytestmark = [pytest.mark.usefixtures("fresh_database"), pytest.mark.timeout(120)]


class TestSendDue:
    def test_sends_each_mail_once_however_many_work(self, run_in_threads, settings):
        settings.TEMPLATES = [
            {**engine, "DIRS": [TEMPLATES]} for engine in settings.TEMPLATES
        ]
        with running(Mailbox()) as mailbox:
            point_at(settings, mailbox.port)
            for n in range(12):
                write(subject_key=f"greeting:{n}")

            tried = run_in_threads(*[lambda: send_due(clock=lambda: NOW)] * 4)

        assert sum(tried) == 12
        ids = [mail["Message-ID"] for mail in mailbox.mails]
        assert len(ids) == len(set(ids)) == 12
        assert set(Mail.objects.values_list("state", "attempts")) == {("sent", 1)}

    def test_queues_one_mail_however_many_write_it(self, run_in_threads, settings):
        settings.TEMPLATES = [
            {**engine, "DIRS": [TEMPLATES]} for engine in settings.TEMPLATES
        ]

        written = run_in_threads(*[write] * 6)

        assert sum(mail is not None for mail in written) == 1
        assert Mail.objects.count() == 1

    def test_queues_nothing_outside_of_a_transaction(self):
        with pytest.raises(transaction.TransactionManagementError):
            queue_mail(
                to=["ana@sunrise.example"],
                template="greeting",
                context={},
                subject_key="1",
                agency_id=None,
                now=NOW,
            )
