"""Limits of seat changes: how far back they may go, and dates that were used.

A date on which anybody used a seat stays billed, whoever becomes its holder afterwards.
Only staff can waive it, with a reason; the version records how many dates were waived.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings

from core.errors import ReasonMissing, Refusal
from core.periods import DAY, DateRange, billed_range
from seats.agencies.queries.agencies import local_dates
from seats.roster.domain.versions import dates_lost
from seats.roster.models import Seat
from seats.roster.queries import holders_on_record
from seats.roster.services.changes import RemovedDates, Use
from seats.roster.services.recording import SeatsLocked
from seats.signals import seats_leaving


class TooFarBack(Refusal):
    """The date is too far in the past.

    Choose a date on or after the limit that `detail` states.
    """

    code = "too_far_back"


class SeatUsedLater(Refusal):
    """The seat was used on or after the date on which it is to end.

    Choose a date after its last use; `detail` states the earliest.
    """

    code = "seat_used_later"


def require_recent(
    agency_ids: Collection[int],
    on: date,
    now: datetime,
    reason: str,
    *,
    staff: bool,
    field: str = "on",
) -> None:
    """Refuse a local date more than BACKDATE_DAYS back; staff may, with a reason.

    `field` is the input that the date comes from: "seat" for a date that the seat has
    and nobody enters. Raises TooFarBack, ReasonMissing.
    """
    days = settings.BILLING["BACKDATE_DAYS"]
    for today in local_dates(agency_ids, now=now).values():
        earliest = today - timedelta(days=days)
        if on >= earliest:
            continue
        if not staff:
            advice = f" Choose {earliest} or later." if field == "on" else ""
            raise TooFarBack(
                f"{on} is more than {days} days back.{advice}", field=field
            )
        if not reason:
            raise ReasonMissing(
                f"Enter a reason to use a date as early as {on}.", field="reason"
            )


def uses_removed(
    locked: SeatsLocked, ends: Mapping[int, date | None]
) -> dict[int, Use]:
    """The use of each seat on the dates that are removed from it by its end, by seat id.

    An end of None cancels the seat. Seats that lose no used date are left out.
    """
    lost = {
        seat.pk: dates
        for seat in locked.seats
        if (dates := _removed_dates(seat, ends[seat.pk])) is not None
    }
    if not lost:
        return {}
    claims = holders_on_record([seat for seat in locked.seats if seat.pk in lost])
    removals = [RemovedDates(pk, dates, claims[pk]) for pk, dates in lost.items()]
    uses: dict[int, Use] = {}
    responses: Sequence[tuple[Any, Any]] = seats_leaving.send(Seat, removals=removals)
    for _, response in responses:
        uses |= response
    return uses


def waived_or_refused(
    locked: SeatsLocked,
    uses: Mapping[int, Use],
    *,
    reason: str,
    staff: bool,
    field: str = "on",
) -> dict[int, int]:
    """The number of used dates to waive, by seat id, which only staff can do.

    Raises SeatUsedLater, ReasonMissing.
    """
    for seat in locked.seats:
        use = uses.get(seat.pk)
        if use and not staff:
            day = use.last + DAY
            advice = (
                f"Choose {day} or later as the date on which it ends."
                if field == "on"
                else f"It can end on {day} at the earliest."
            )
            raise SeatUsedLater(f"{seat} was used on {use.last}. {advice}", field=field)
        if use and not reason:
            raise ReasonMissing(
                f"{seat} was used on {use.days} of these dates, last on"
                f" {use.last}. Enter a reason for not billing them.",
                field="reason",
            )
    return {seat_id: use.days for seat_id, use in uses.items()}


def _removed_dates(seat: Seat, end: date | None) -> DateRange | None:
    before = billed_range(seat.added_on, seat.removed_on)
    after = billed_range(seat.added_on, end) if end else None
    return dates_lost(before, after)
