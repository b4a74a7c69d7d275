"""A sender killed with -9 after the server took the mail, before the row says so."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.utils import timezone

from billing.mail.mailing import send_due
from billing.mail.models import Mail
from tests.billing.mail.servers import OK, TEMPLATES, Mailbox, point_at, running
from tests.billing.mail.test_queue import write

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]
ROOT = Path(__file__).resolve().parents[2]
SEND = "from billing.tasks import send_due_mails; send_due_mails()"


def test_the_mail_comes_again_under_the_same_id(fresh_database, settings):
    settings.TEMPLATES = [
        {**engine, "DIRS": [TEMPLATES]} for engine in settings.TEMPLATES
    ]
    victims: list[subprocess.Popen[bytes]] = []

    def kill_the_sender():
        os.kill(victims[0].pid, signal.SIGKILL)
        return OK

    with running(Mailbox(reply=kill_the_sender)) as mailbox:
        point_at(settings, mailbox.port)
        write()
        environment = {
            "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(mailbox.port),
            "EMAIL_TLS": "off", "EMAIL_FROM": "billing@dialer.example",
            "MAIL_LEASE_SECONDS": "0",
        }  # fmt: skip
        sender = [sys.executable, "manage.py", "shell", "-c", SEND]
        everything = {**os.environ, **fresh_database.environment, **environment}
        victims.append(subprocess.Popen(sender, cwd=ROOT, env=everything))
        assert victims[0].wait(60) == -signal.SIGKILL
        assert Mail.objects.values_list("state", "attempts").get() == ("sending", 1)

        mailbox.reply = lambda: OK
        assert send_due(now=timezone.now()) == 1

    first, second = mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert Mail.objects.values_list("state", "attempts").get() == ("sent", 2)
