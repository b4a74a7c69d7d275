"""What a key reaches."""

from datetime import datetime

from seats.agencies.queries import downline_today
from seats.keys.models import ApiKey


def agencies_of(key: ApiKey, *, now: datetime) -> set[int] | None:
    """The ids of the key's agency and its downline today; None: all of them."""
    if key.agency_id is None:
        return None
    return downline_today(key.agency_id, now=now)
