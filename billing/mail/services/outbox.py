"""Queue mails in the transaction that causes them, and queue failed ones again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from billing.mail.models import Mail
from core.errors import Refusal
from seats.members.queries import staff_addresses

TEXT = "text"  # the template engine without HTML escaping
LONGEST_SUBJECT = 250
State = Mail.State


class NoMailServer(Refusal):
    """No mail server is configured.

    Set EMAIL_HOST and EMAIL_FROM, then try again.
    """

    code = "no_mail_server"


class NotWaiting(Refusal):
    """None of the mails failed or is held.

    Select only mails that failed or are held.
    """

    code = "not_waiting"


def queue_mail(
    *,
    to: Sequence[str],
    template: str,
    context: Mapping[str, Any],
    subject_key: str,
    agency_id: int | None,
    now: datetime,
) -> Mail | None:
    """Queue a mail to these addresses, rendered now from `mail/<template>.*`.

    Returns None if there is no address, or if the same template was already queued for
    the same `subject_key` and addresses, so repeating is harmless. Must be called in the
    transaction that causes the mail. Without a mail server the mail is held.
    """
    _require_transaction()
    addresses = sorted({address.strip() for address in to if address.strip()})
    if not addresses:
        return None
    mail, is_new = Mail.objects.get_or_create(
        template=template,
        subject_key=subject_key,
        to=addresses,
        defaults={
            **_rendered(template, context),
            "agency_id": agency_id,
            "state": State.QUEUED if has_server() else State.HELD,
            "next_attempt_at": now,
            "created_at": now,
        },
    )
    return mail if is_new else None


def queue_staff_mail(
    *, template: str, context: Mapping[str, Any], subject_key: str, now: datetime
) -> None:
    """Queue a separate mail to each active staff user, so a bad address stops no other.

    Must be called in the transaction that causes the mail. Repeating is harmless.
    """
    for address in staff_addresses():
        queue_mail(
            to=[address],
            template=template,
            context=context,
            subject_key=subject_key,
            agency_id=None,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to one address, to be rendered from `mail/<template>.*`."""

    to: str
    template: str
    context: Mapping[str, Any]
    subject_key: str
    agency_id: int


def queue_mails(mails: Sequence[NewMail], *, now: datetime) -> None:
    """Queue many mails in one statement. Repeating is harmless, as in `queue_mail`."""
    _require_transaction()
    state = State.QUEUED if has_server() else State.HELD
    Mail.objects.bulk_create(
        [
            Mail(
                to=[mail.to],
                template=mail.template,
                subject_key=mail.subject_key,
                agency_id=mail.agency_id,
                state=state,
                next_attempt_at=now,
                created_at=now,
                **_rendered(mail.template, mail.context),
            )
            for mail in mails
        ],
        ignore_conflicts=True,
    )


def resend_mails(*, mail_ids: Collection[int], now: datetime) -> int:
    """Queue failed and held mails again, with all attempts; return how many.

    Raises NoMailServer, and NotWaiting if none of them failed or is held.
    """
    if not has_server():
        raise NoMailServer(
            "No mail server is configured. Set EMAIL_HOST and EMAIL_FROM, then try again."
        )
    mails = Mail.objects.filter(pk__in=mail_ids, state__in=[State.FAILED, State.HELD])
    count = mails.requeue(now=now)
    if not count:
        raise NotWaiting(
            "None of the mails failed or is held. Only those can be sent again."
        )
    return count


def has_server() -> bool:
    """Whether a mail server and a sender address are configured."""
    return bool(settings.EMAIL_HOST and settings.DEFAULT_FROM_EMAIL)


def _require_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Mails can only be queued inside the transaction that causes them."
        )


def _rendered(template: str, context: Mapping[str, Any]) -> dict[str, str]:
    """Render subject (on one line), text and HTML; only HTML is escaped."""
    values = dict(context)
    name = f"mail/{template}"
    subject = render_to_string(f"{name}.subject.txt", values, using=TEXT)
    return {
        "subject": " ".join(subject.split())[:LONGEST_SUBJECT],
        "text": render_to_string(f"{name}.txt", values, using=TEXT),
        "html": render_to_string(f"{name}.html", values),
    }
