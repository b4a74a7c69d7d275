"""What a key reaches."""

from datetime import datetime

from seats.agencies.queries import downline_of, zones_of
from seats.keys.models import ApiKey
from seats.periods import local_date


def agencies_of(key: ApiKey, *, now: datetime) -> set[int] | None:
    """The ids of the key's agency and its downline today; None: all of them."""
    if key.agency_id is None:
        return None
    today = local_date(now, zones_of([key.agency_id])[key.agency_id])
    return downline_of(key.agency_id, on=today)
