"""Metering's replies to the signals of seats and pricing."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from django.dispatch import receiver

from billing.metering.queries.usage import last_uses, meters_with_usage, used_days
from billing.pricing.signals import meters_in_use
from seats.roster.services.changes import RemovedDates, Use
from seats.signals import agents_used, seats_leaving


@receiver(seats_leaving)
def reply_used_days(*, removals: Sequence[RemovedDates], **_: Any) -> dict[int, Use]:
    """The use of seats on the dates that they are about to lose."""
    return used_days(removals)


@receiver(agents_used)
def reply_last_uses(
    *, agents: Collection[int], since: date | None, **_: Any
) -> dict[int, date]:
    """The last date on which each of the agents used anything."""
    return last_uses(agents, since=since)


@receiver(meters_in_use)
def reply_used_meters(
    *, currency: str, candidates: Collection[str], **_: Any
) -> set[str]:
    """The candidate meters with usage, which a price list must include."""
    return meters_with_usage(currency=currency, codes=candidates)
