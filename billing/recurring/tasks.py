"""Signs of life: a task for each queue, which only a worker of that queue can finish."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.recurring.services import record_pulse


def _pulse_of(queue: str) -> Any:
    @shared_task(name=f"pulse.{queue}")
    def pulse(**_newer: Any) -> None:
        """Beat, every few seconds: record that a worker of the queue finished this."""
        record_pulse(queue=queue, now=timezone.now())

    return pulse


pulse_money = _pulse_of("money")
pulse_documents = _pulse_of("documents")
pulse_charges = _pulse_of("charges")
pulse_imports = _pulse_of("imports")
pulse_mail = _pulse_of("mail")
pulse_webhooks = _pulse_of("webhooks")
pulse_fanout = _pulse_of("fanout")
