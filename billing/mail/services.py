"""Writing mails, in the transaction of their cause, and giving them another chance."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string

from billing.mail.models import Mail
from seats.errors import Refusal
from seats.members.queries import staff_addresses

TEXT = "text"  # the engine that escapes nothing
LONGEST_SUBJECT = 250
State = Mail.State


class NoMailServer(Refusal):
    code = "no_mail_server"


class NotWaiting(Refusal):
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
    """A mail to these addresses, rendered now from `mail/<template>.*`, sent later.

    None where there is no address, or where the same template was queued for the same
    subject and addresses before, so repeating is harmless. Must be called in the
    transaction of the cause. Without a mail server the mail is held.
    """
    _require_transaction()
    addresses = sorted({address.strip() for address in to if address.strip()})
    if not addresses:
        return None
    known = {"template": template, "subject_key": subject_key, "to": addresses}
    mail, is_new = Mail.objects.get_or_create(
        **known,
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
    """A mail to each active staff user, so that one bad address stops no other.

    Must be called in the transaction of the cause. Repeating is harmless.
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
    """As queue_mail, many in one statement, each to an address of its own."""
    _require_transaction()
    state = State.QUEUED if has_server() else State.HELD
    Mail.objects.bulk_create(
        [
            Mail(
                to=[one.to],
                template=one.template,
                subject_key=one.subject_key,
                agency_id=one.agency_id,
                state=state,
                next_attempt_at=now,
                created_at=now,
                **_rendered(one.template, one.context),
            )
            for one in mails
        ],
        ignore_conflicts=True,
    )


def resend_mails(*, mail_ids: Collection[int], now: datetime) -> int:
    """Queue mails that failed or are held once more, from the first attempt on; how many.

    Raises NoMailServer, and NotWaiting where none of them failed or is held.
    """
    if not has_server():
        raise NoMailServer("No mail server is set; see EMAIL_HOST and EMAIL_FROM.")
    count = Mail.objects.filter(
        pk__in=mail_ids, state__in=[State.FAILED, State.HELD]
    ).update(state=State.QUEUED, attempts=0, next_attempt_at=now, last_error="")
    if not count:
        raise NotWaiting("None of them failed or is held.")
    return count


def has_server() -> bool:
    """Whether this machine knows where to send mails, and from which address."""
    return bool(settings.EMAIL_HOST and settings.DEFAULT_FROM_EMAIL)


def _require_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "Mails are queued in the transaction of their cause."
        )


def _rendered(template: str, context: Mapping[str, Any]) -> dict[str, str]:
    """Subject in one line, whatever stands in it; only HTML is escaped."""
    told = dict(context)
    name = f"mail/{template}"
    subject = render_to_string(f"{name}.subject.txt", told, using=TEXT)
    return {
        "subject": " ".join(subject.split())[:LONGEST_SUBJECT],
        "text": render_to_string(f"{name}.txt", told, using=TEXT),
        "html": render_to_string(f"{name}.html", told),
    }
