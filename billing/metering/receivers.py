"""What the metering room has to say about seats that leave, and about price lists."""

from collections.abc import Collection, Sequence
from typing import Any

from django.dispatch import receiver

from billing.metering.queries import meters_with_usage, used_days
from billing.pricing.signals import meters_in_use
from seats.roster.changes import Loss, Use
from seats.signals import seats_leaving


@receiver(seats_leaving)
def tell_used_days(*, losses: Sequence[Loss], **_: Any) -> dict[int, Use]:
    """On how many of the dates that seats are about to lose they were used."""
    return used_days(losses)


@receiver(meters_in_use)
def name_used_meters(
    *, currency: str, candidates: Collection[str], **_: Any
) -> set[str]:
    """Those of them that a price list cannot leave out."""
    return meters_with_usage(currency=currency, codes=candidates)
