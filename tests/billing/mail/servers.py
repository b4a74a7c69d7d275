"""Real SMTP servers that say what a test wants, and keep what they are sent."""

import email
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

TEMPLATES = Path(__file__).parent / "templates"
OK = "250 taken"


@dataclass
class Mailbox:
    """A handler of aiosmtpd; `reply` and `rcpt` give what the server answers."""

    reply: Callable[[], str] = lambda: OK
    rcpt: Callable[[str], str] = lambda address: OK
    mails: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        answer = self.rcpt(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return self.reply()


@contextmanager
def running(mailbox: Mailbox) -> Iterator[Mailbox]:
    """A server on a free port of loopback, in a thread."""
    mailbox.port = free_port()
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@contextmanager
def silent() -> Iterator[int]:
    """A server that lets everybody in and says nothing; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def point_at(settings: Any, port: int, **changes: Any) -> None:
    """Send mails to a server of this machine, without encryption."""
    options = {
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": port,
        "EMAIL_USE_TLS": False,
        "EMAIL_TIMEOUT": 5,
        "DEFAULT_FROM_EMAIL": "Billing <billing@dialer.example>",
        **changes,
    }
    for name, value in options.items():
        setattr(settings, name, value)
