"""The sweep that sends mails. No transaction is open while it talks to the server."""

import json
import logging
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from billing.heartbeat import renewed
from billing.mail.models import Mail
from billing.mail.services import has_server
from billing.mail.smtp import PermanentFailure, TemporaryFailure, send_by_smtp

log = logging.getLogger(__name__)
State = Mail.State
LONGEST_ERROR = 500
CRASHED = "Every attempt ended without a result."

# Of the agency that was served least in this sweep: who has much to say says the second
# after all others have said the first. The lease runs by the database's clock, which all workers share.
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
    """Send mails that are due, one after the other, up to a number; how many were tried.

    The agencies take turns, so nobody waits for all mails of another. Safe to run anywhere, any number of times at once. Where no mail server is set,
    they are held.
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
    """The next one, its attempt counted in a commit of its own; failed after too many."""
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
    """Keep others off a mail that the server is slow to take."""
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
    """Say what became of this attempt, unless the lease ended and another is made.

    What the server said may name people, so it stays in the row.
    """
    text = " ".join(error.replace("\0", "").split())[:LONGEST_ERROR]
    settled = Mail.objects.filter(
        pk=mail.pk, state=State.SENDING, attempts=mail.attempts
    ).update(state=state, lease_until=None, last_error=text, **changes)
    if state != State.SENT or not settled:
        log.warning("mail %s, attempt %d: %s", mail.pk, mail.attempts, state)
