"""What the metering room has to say about seats that leave."""

from typing import Any

from django.dispatch import receiver

from billing.metering.queries import last_usage_dates
from seats.errors import Refusal
from seats.roster.changes import Removal
from seats.signals import seats_leaving


class UsedLater(Refusal):
    code = "seat_used_later"


@receiver(seats_leaving)
def keep_used_days(*, removals: list[Removal], staff: bool, **_: Any) -> None:
    """An agency cannot take a seat back to before its last use; staff may."""
    if staff:
        return
    agents = {agent for removal in removals for agent in removal.agent_ids}
    used = last_usage_dates(agents)
    for removal in removals:
        last = max((used[a] for a in removal.agent_ids if a in used), default=None)
        seat = removal.seat
        within = seat.removed_on is None or (last and last < seat.removed_on)
        if last and within and last >= seat.added_on and removal.removed_on < last:
            raise UsedLater(f"{seat} was used on {last}.", field="on")
