"""Reading which agencies a key reaches."""

from datetime import datetime

from seats.access.queries import reached_by
from seats.api_keys.models import ApiKey


def agencies_of(key: ApiKey, *, now: datetime) -> set[int] | None:
    """The ids of the key's agency and its downline at `now`; None: all agencies."""
    return None if key.agency_id is None else reached_by(key.agency_id, now=now)
