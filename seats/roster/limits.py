"""What limits changes of seats: how far back, and use of dates they would lose.

A date on which anybody used a seat stays on the bill, whoever is made its holder
afterwards. Only staff can take it off, with a reason, and the version says how many.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings

from seats.agencies.queries import local_dates
from seats.errors import ReasonMissing, Refusal
from seats.periods import DAY, DateRange, billed_range
from seats.roster.changes import Loss, Use
from seats.roster.models import Seat
from seats.roster.queries import holders_on_record
from seats.roster.recording import SeatsLocked
from seats.roster.versions import dates_lost
from seats.signals import seats_leaving


class TooFarBack(Refusal):
    code = "too_far_back"


class SeatUsedLater(Refusal):
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
    """Refuse a date more than BACKDATE_DAYS back; staff may go further, with a reason.

    `field` is where the date comes from: a date of the seat's own is not chosen. Raises TooFarBack, ReasonMissing.
    """
    days = settings.BILLING["BACKDATE_DAYS"]
    for today in local_dates(agency_ids, now=now).values():
        earliest = today - timedelta(days=days)
        if on >= earliest:
            continue
        if not staff:
            advice = f"; choose {earliest} or later." if field == "on" else "."
            raise TooFarBack(f"{on} is more than {days} days back{advice}", field=field)
        if not reason:
            raise ReasonMissing(
                f"Enter a reason to use a date as early as {on}.", field="reason"
            )


def uses_lost(locked: SeatsLocked, ends: Mapping[int, date | None]) -> dict[int, Use]:
    """The use of seats on dates they lose when they end on a date; None: cancelled.

    By seat id; a seat that loses no date on which it was used is left out.
    """
    lost = {
        seat.pk: dates
        for seat in locked.seats
        if (dates := _dates_lost(seat, ends[seat.pk])) is not None
    }
    if not lost:
        return {}
    claims = holders_on_record([seat for seat in locked.seats if seat.pk in lost])
    losses = [Loss(pk, dates, claims[pk]) for pk, dates in lost.items()]
    uses: dict[int, Use] = {}
    answers: Sequence[tuple[Any, Any]] = seats_leaving.send(Seat, losses=losses)
    for _, answer in answers:
        uses |= answer
    return uses


def waived_or_refused(
    locked: SeatsLocked,
    uses: Mapping[int, Use],
    *,
    reason: str,
    staff: bool,
    field: str = "on",
) -> dict[int, int]:
    """How many used dates of each seat are given away, which only staff can do.

    Raises SeatUsedLater, ReasonMissing.
    """
    for seat in locked.seats:
        use = uses.get(seat.pk)
        if use and not staff:
            raise SeatUsedLater(
                f"{seat} was used on {use.last}, so it can end on"
                f" {use.last + DAY} at the earliest.",
                field=field,
            )
        if use and not reason:
            raise ReasonMissing(
                f"{seat} was used on {use.days} of these dates, last on"
                f" {use.last}. Enter a reason for not billing them.",
                field="reason",
            )
    return {seat_id: use.days for seat_id, use in uses.items()}


def _dates_lost(seat: Seat, end: date | None) -> DateRange | None:
    before = billed_range(seat.added_on, seat.removed_on)
    after = billed_range(seat.added_on, end) if end else None
    return dates_lost(before, after)
