"""Mails about what happens in the rooms of seats."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from billing.mail.services.outbox import queue_mail
from seats.models import Invitation
from seats.signals import invitation_created


@receiver(invitation_created)
def mail_invitation(
    *, invitation: Invitation, url: str, now: datetime, **_: Any
) -> None:
    queue_mail(
        to=[invitation.email],
        template="invitation",
        context={"invitation": invitation, "url": url},
        subject_key=str(invitation.public_id),
        agency_id=invitation.agency_id,
        now=now,
    )
