"""What the metering room has to say about seats that leave."""

from collections.abc import Sequence
from typing import Any

from django.dispatch import receiver

from billing.metering.queries import used_days
from seats.roster.changes import Loss, Use
from seats.signals import seats_leaving


@receiver(seats_leaving)
def tell_used_days(*, losses: Sequence[Loss], **_: Any) -> dict[int, Use]:
    """On how many of the dates that seats are about to lose they were used."""
    return used_days(losses)
