"""Send a mail by SMTP, and tell temporary failures from permanent ones."""

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
    """The mail was not accepted; trying again later may help."""


class PermanentFailure(Exception):
    """The mail was not accepted, or not for all; trying again would not help."""


class _Strict:
    """Raise where a server accepts only some of the recipients."""

    def sendmail(self, *args: Any, **options: Any) -> dict[str, tuple[int, bytes]]:
        refused = super().sendmail(*args, **options)  # type: ignore[misc]
        if refused:
            raise PermanentFailure(
                f"Sent, but some recipients were refused: {_replies(refused)}"
            )
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
    """Send a mail and wait until the server has accepted it.

    Raises TemporaryFailure, PermanentFailure. If the connection breaks after the server
    accepted the mail, a retry sends it twice, with the same Message-ID.
    """
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        to=list(to),
        headers={
            "Message-ID": _full_message_id(message_id),
            "Date": format_datetime(now),
        },
        alternatives=[(html, "text/html")],
    )
    backend = _Backend()
    try:
        for address in to:
            validate_email(address)
        backend.open()
        backend.send_messages([message])
    except (smtplib.SMTPException, OSError, ValueError, ValidationError) as error:
        raise _failure_of(error) from error
    finally:
        with suppress(smtplib.SMTPException, OSError):
            backend.close()


def _full_message_id(message_id: str) -> str:
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    return f"<{message_id}@{domain or 'localhost'}>"


def _failure_of(error: Exception) -> TemporaryFailure | PermanentFailure:
    """A 5xx reply about this mail, or an invalid mail, is permanent; the rest is not.

    A wrong password or a broken server is temporary: the mail itself may be fine.
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
        return PermanentFailure("An address or a header of the mail is invalid.")
    return TemporaryFailure(f"{type(error).__name__}: {error}")


def _replies(refused: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(_reply(*reply) for reply in refused.values())


def _reply(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"{code} {text}"
