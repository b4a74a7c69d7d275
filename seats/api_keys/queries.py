"""Reading which agencies a key reaches, and which keys expire soon."""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from seats.access.queries import reached_by
from seats.api_keys.models import ApiKey

SOON = timedelta(days=14)


def agencies_of(key: ApiKey, *, now: datetime) -> set[int] | None:
    """The ids of the key's agency and its downline at `now`; None: all agencies."""
    return None if key.agency_id is None else reached_by(key.agency_id, now=now)


def keys_ending_soon(keys: QuerySet[ApiKey], *, now: datetime) -> QuerySet[ApiKey]:
    """Those of the keys that are valid and expire within SOON."""
    return keys.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=now + SOON)
