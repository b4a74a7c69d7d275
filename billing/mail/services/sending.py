"""The sweep that sends mails. No transaction is open while it talks to the server."""

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Case, When

from billing.mail.models import Mail
from billing.mail.services.outbox import has_server
from billing.mail.services.smtp import PermanentFailure, TemporaryFailure, send_by_smtp
from core.queue.models import kept_leased, last_error_or

Clock = Callable[[], datetime]
log = logging.getLogger(__name__)
State = Mail.State
LONGEST_ERROR = 500
CRASHED = "Every attempt ended without a result."


def send_due(*, clock: Clock) -> int:
    """Send up to MAIL_CHUNK due mails one by one; return how many were tried.

    Agencies take turns, so none waits for all mails of another. Without a mail server,
    due mails are held. Safe to run repeatedly and concurrently.
    """
    if not has_server():
        Mail.objects.filter(state=State.QUEUED, next_attempt_at__lte=clock()).update(
            state=State.HELD
        )
        return 0
    served: Counter[int | None] = Counter()
    for tried in range(settings.BILLING["MAIL_CHUNK"]):
        now = clock()
        mail = _claim(now, served)
        if mail is None:
            return tried
        served[mail.agency_id] += 1
        with kept_leased([mail], now=now, lease=settings.BILLING["MAIL_LEASE"]):
            _try(mail, now)
    return int(settings.BILLING["MAIL_CHUNK"])


def _claim(now: datetime, served: Counter[int | None]) -> Mail | None:
    """Claim a mail of the agency that was served least in this sweep.

    So the second mail of an agency is sent after the first of all others. Mails whose
    attempts are used up fail instead.
    """
    turns = [When(agency=agency, then=count) for agency, count in served.items()]
    turn = [Case(*turns, default=0)] if turns else []
    mails = Mail.objects.order_by(*turn, "next_attempt_at", "pk")
    with transaction.atomic(durable=True):
        Mail.objects.park_exhausted(
            State.FAILED,
            now=now,
            most=len(settings.BILLING["MAIL_RETRIES"]) + 1,
            last_error=last_error_or(CRASHED),
        )
        claimed = mails.claim(now=now, lease=settings.BILLING["MAIL_LEASE"], limit=1)
    return claimed[0] if claimed else None


def _try(mail: Mail, now: datetime) -> None:
    try:
        send_by_smtp(
            to=mail.to,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            message_id=str(mail.public_id),
            now=now,
        )
    except TemporaryFailure as failure:
        retries = settings.BILLING["MAIL_RETRIES"]
        if mail.attempts > len(retries):
            _finish(mail, State.FAILED, last_error=_plain(failure))
        else:
            _retry(mail, now + retries[mail.attempts - 1], _plain(failure))
    except PermanentFailure as failure:
        _finish(mail, State.FAILED, last_error=_plain(failure))
    else:
        _finish(mail, State.SENT, sent_at=now, last_error="")


def _retry(mail: Mail, at: datetime, error: str) -> None:
    Mail.objects.held([mail]).retry_later(at, error=error)
    log.warning("Mail %s, attempt %d: will be retried", mail.pk, mail.attempts)


def _finish(mail: Mail, state: Mail.State, **changes: str | datetime) -> None:
    """Store the outcome of this attempt, unless its lease ended and another began."""
    settled = Mail.objects.held([mail]).finish(state, **changes)
    if state != State.SENT or not settled:
        log.warning("Mail %s, attempt %d: %s", mail.pk, mail.attempts, state)


def _plain(failure: Exception) -> str:
    """The server's reply on one line. It may have personal data: it is never logged."""
    return " ".join(str(failure).replace("\0", "").split())[:LONGEST_ERROR]
