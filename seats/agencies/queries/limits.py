"""How far ahead a date may be."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from django.conf import settings

from core.errors import TooFarAhead
from seats.agencies.queries.agencies import local_dates


def require_near(
    on: date, *, agency_ids: Iterable[int], now: datetime, field: str
) -> None:
    """Refuse a local date more than `BILLING["AHEAD_DAYS"]` after today.

    Today is the local date of each of the agencies. Raises TooFarAhead for `field`.
    """
    days = settings.BILLING["AHEAD_DAYS"]
    for today in local_dates(set(agency_ids), now=now).values():
        last = today + timedelta(days=days)
        if on > last:
            raise TooFarAhead(
                f"{on} is more than {days} days ahead. Choose a date up to {last}.",
                field=field,
            )
