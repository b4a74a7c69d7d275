"""The sweep that sends mails. No transaction is open while it talks to the server."""

import json
import logging
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from billing.mail.models import Mail
from billing.mail.services.outbox import has_server
from billing.mail.services.smtp import PermanentFailure, TemporaryFailure, send_by_smtp
from core.queue.heartbeat import renewed

log = logging.getLogger(__name__)
State = Mail.State
LONGEST_ERROR = 500
CRASHED = "Every attempt ended without a result."

# Claims a mail of the agency that was served least in this sweep, so the second mail of an
# agency is sent after the first of all others. The lease uses the database's clock, which
# all workers share.
CLAIM = """
    UPDATE billing_mail SET
        state = CASE WHEN attempts < %(most)s THEN 'sending' ELSE 'failed' END,
        attempts = least(attempts + 1, %(most)s),
        lease_until = CASE WHEN attempts < %(most)s
                           THEN clock_timestamp() + %(lease)s END,
        last_error = CASE WHEN attempts < %(most)s OR last_error <> ''
                          THEN last_error ELSE %(crashed)s END
    WHERE id = (
        SELECT id FROM billing_mail
        WHERE state = 'queued' AND next_attempt_at <= %(now)s
           OR state = 'sending' AND lease_until <= clock_timestamp()
        ORDER BY coalesce((%(served)s::jsonb ->> coalesce(agency_id, 0)::text)::int, 0),
                 next_attempt_at, id
        LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


def send_due(*, now: datetime) -> int:
    """Send up to MAIL_CHUNK due mails one by one; return how many were tried.

    Agencies take turns, so none waits for all mails of another. Without a mail server,
    due mails are held. Safe to run repeatedly and concurrently.
    """
    if not has_server():
        Mail.objects.filter(state=State.QUEUED, next_attempt_at__lte=now).update(
            state=State.HELD
        )
        return 0
    served: Counter[str] = Counter()
    for tried in range(settings.BILLING["MAIL_CHUNK"]):
        mail = _claim(now, served)
        if mail is None:
            return tried
        served[str(mail.agency_id or 0)] += 1
        if mail.state == State.SENDING:
            with renewed(partial(_renew, mail), lease=settings.BILLING["MAIL_LEASE"]):
                _try(mail, now)
    return int(settings.BILLING["MAIL_CHUNK"])


def _claim(now: datetime, served: Counter[str]) -> Mail | None:
    """Claim the next mail and count its attempt in a commit of its own.

    After too many attempts the mail is returned in state FAILED.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "now": now,
                "most": len(settings.BILLING["MAIL_RETRIES"]) + 1,
                "lease": settings.BILLING["MAIL_LEASE"],
                "crashed": CRASHED,
                "served": json.dumps(served),
            },
        )
        row = cursor.fetchone()
    return Mail.objects.get(pk=row[0]) if row else None


def _renew(mail: Mail, _: timedelta) -> None:
    """Extend the lease of a mail while the server is slow to accept it."""
    own = Mail.objects.filter(pk=mail.pk, state=State.SENDING, attempts=mail.attempts)
    own.update(lease_until=Now() + settings.BILLING["MAIL_LEASE"])


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
            _settle(mail, State.FAILED, error=str(failure))
        else:
            later = now + retries[mail.attempts - 1]
            _settle(mail, State.QUEUED, error=str(failure), next_attempt_at=later)
    except PermanentFailure as failure:
        _settle(mail, State.FAILED, error=str(failure))
    else:
        _settle(mail, State.SENT, sent_at=now)


def _settle(
    mail: Mail, state: Mail.State, *, error: str = "", **changes: datetime
) -> None:
    """Store the outcome of this attempt, unless its lease ended and another began.

    The server's reply may contain personal data, so it is stored and not logged.
    """
    text = " ".join(error.replace("\0", "").split())[:LONGEST_ERROR]
    settled = Mail.objects.filter(
        pk=mail.pk, state=State.SENDING, attempts=mail.attempts
    ).update(state=state, lease_until=None, last_error=text, **changes)
    if state != State.SENT or not settled:
        log.warning("Mail %s, attempt %d: %s", mail.pk, mail.attempts, state)
