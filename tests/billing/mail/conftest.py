"""Mails that have something to say."""

import pytest

from tests.billing.mail.servers import TEMPLATES, Mailbox, point_at, running


@pytest.fixture(autouse=True)
def templates(settings):
    settings.TEMPLATES = [
        {**engine, "DIRS": [TEMPLATES]} for engine in settings.TEMPLATES
    ]


@pytest.fixture
def mailbox(settings):
    with running(Mailbox()) as box:
        point_at(settings, box.port)
        yield box
