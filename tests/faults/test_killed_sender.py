"""A sender killed with -9 after the server took the mail, before the row says so."""

import pytest

from billing.mail.models import Mail
from tests.billing.mail.servers import OK, TEMPLATES, Mailbox, point_at, running
from tests.billing.mail.test_queue import write
from tests.faults.recovery import TIMEOUT, until
from tests.workers import Worker

pytestmark = [pytest.mark.faults, pytest.mark.timeout(TIMEOUT)]


def test_the_mail_comes_again_under_the_same_id(fresh_database, settings, worker, beat):
    settings.TEMPLATES = [
        {**engine, "DIRS": [TEMPLATES]} for engine in settings.TEMPLATES
    ]
    senders: list[Worker] = []

    def kill_the_sender():
        senders.pop().kill_children()
        mailbox.reply = lambda: OK
        return OK

    with running(Mailbox(reply=kill_the_sender)) as mailbox:
        point_at(settings, mailbox.port)
        write()
        environment = {
            "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(mailbox.port),
            "EMAIL_TLS": "off", "EMAIL_FROM": "billing@dialer.example",
            "MAIL_LEASE_SECONDS": "1",
        }  # fmt: skip
        senders.append(worker(queues="mail", **environment))
        beat()
        until(lambda: Mail.objects.get().state == "sent")

    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert Mail.objects.values_list("state", "attempts").get() == ("sent", 2)
