"""Sweeps of mails."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.mail.services.sending import send_due


@shared_task(name="mail.send_due")
def send_due_mails(**_newer: Any) -> None:
    """Beat, every few seconds: send due mails."""
    send_due(clock=timezone.now)
