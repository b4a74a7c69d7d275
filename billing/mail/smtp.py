"""The way out: one mail by SMTP, and whether what went wrong may get better."""

import smtplib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime, parseaddr
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.smtp import EmailBackend
from django.core.validators import validate_email

PERMANENT = 500


class TemporaryFailure(Exception):
    """Nobody has got it; try again later."""


class PermanentFailure(Exception):
    """Trying again would not help."""


class _Strict:
    """A server that takes only some of the addresses is heard."""

    def sendmail(self, *args: Any, **options: Any) -> dict[str, tuple[int, bytes]]:
        refused = super().sendmail(*args, **options)  # type: ignore[misc]
        if refused:
            raise PermanentFailure(f"Sent, but not to all: {_replies(refused)}")
        return {}


class _StrictSmtp(_Strict, smtplib.SMTP):
    pass


class _StrictSmtps(_Strict, smtplib.SMTP_SSL):
    pass


class _Backend(EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _StrictSmtps if self.use_ssl else _StrictSmtp


def send_by_smtp(
    *,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str,
    message_id: str,
    now: datetime,
) -> None:
    """Hand a mail to the server and wait until it has it.

    Raises TemporaryFailure, PermanentFailure. A mail that the server took before the
    connection broke may be sent twice, with the same Message-ID.
    """
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        to=list(to),
        headers={"Message-ID": _full(message_id), "Date": format_datetime(now)},
        alternatives=[(html, "text/html")],
    )
    backend = _Backend()
    try:
        for address in to:
            validate_email(address)
        backend.open()
        backend.send_messages([message])
    except (smtplib.SMTPException, OSError, ValueError, ValidationError) as error:
        raise _judged(error) from error
    finally:
        with suppress(smtplib.SMTPException, OSError):
            backend.close()


def _full(message_id: str) -> str:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<{message_id}@{domain or 'localhost'}>"


def _judged(error: Exception) -> TemporaryFailure | PermanentFailure:
    """Permanent is what the server said of this mail with 5xx, or what no mail can be.

    A wrong password, or a server that is ill, says nothing about the mail.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        kind = PermanentFailure if max(codes) >= PERMANENT else TemporaryFailure
        return kind(_replies(error.recipients))
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        kind = PermanentFailure if error.smtp_code >= PERMANENT else TemporaryFailure
        return kind(_reply(error.smtp_code, error.smtp_error))
    if isinstance(error, smtplib.SMTPResponseException):
        return TemporaryFailure(_reply(error.smtp_code, error.smtp_error))
    if isinstance(error, ValueError | ValidationError):
        return PermanentFailure("Not an address, or not a header.")
    return TemporaryFailure(f"{type(error).__name__}: {error}")


def _replies(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(_reply(*reply) for reply in refused.values())


def _reply(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {text}"
