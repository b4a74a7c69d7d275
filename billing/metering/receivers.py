"""Metering's replies to the signals of seats and pricing."""

from collections.abc import Collection, Sequence
from typing import Any

from django.dispatch import receiver

from billing.metering.queries.usage import meters_with_usage, used_days
from billing.pricing.signals import meters_in_use
from seats.roster.services.changes import RemovedDates, Use
from seats.signals import seats_leaving


@receiver(seats_leaving)
def reply_used_days(*, removals: Sequence[RemovedDates], **_: Any) -> dict[int, Use]:
    """The use of seats on the dates that they are about to lose."""
    return used_days(removals)


@receiver(meters_in_use)
def reply_used_meters(
    *, currency: str, candidates: Collection[str], **_: Any
) -> set[str]:
    """The candidate meters with usage, which a price list must include."""
    return meters_with_usage(currency=currency, codes=candidates)
