"""What a change of seats will do, in sentences, before staff confirm it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from seats.admin_actions import Unchanged
from seats.agencies.models import Agency
from seats.periods import (
    DateRange,
    billed_range,
    month_of,
    month_range,
    months_between,
)
from seats.roster.models import Agent, Seat
from seats.signals import seat_days_previewed

Change = tuple[Agency, DateRange | None, DateRange | None]  # billed before, and after
MONTHS = 24  # back from today; no service changes older ones


def added(agents: list[Agent], on: date | None, today: date) -> list[str]:
    """New seats from a date on."""
    when = on or "the date chosen below"
    lines = [
        f"{agent.external_id} ({agent.name}) of {agent.agency.code} gets a seat from"
        f" {when} on."
        for agent in agents
    ]
    return lines + _bills(
        [(agent.agency, None, DateRange(on, None)) for agent in agents] if on else [],
        today,
    )


def blocked(seats: list[Seat], *, reopening: bool = False) -> list[str]:
    """Why nothing is done to any of these seats; empty if it may be."""
    reasons = [f"{seat} is cancelled." for seat in seats if seat.cancelled]
    if reopening:
        kept = [seat for seat in seats if not seat.cancelled and not seat.removed_on]
        reasons += [f"{seat} is not removed." for seat in kept]
    if 0 < len(reasons) < len(seats):
        reasons.append("The others are not changed either: choose them alone.")
    return [Unchanged(reason) for reason in reasons]


def removed(seats: list[Seat], on: date | None, today: date) -> list[str]:
    """Seats that end on a date."""
    when = on or "the date chosen below"
    lines = [f"{seat} is not billed from {when} on." for seat in seats]
    changes = [
        (seat.agency, _billed(seat), billed_range(seat.added_on, on))
        for seat in seats
        if on and on >= seat.added_on
    ]
    return lines + _bills(changes, today)


def reopened(seats: list[Seat], today: date) -> list[str]:
    """Seats whose removal is taken back."""
    lines = [f"{seat} is billed as if it had not been removed." for seat in seats]
    changes = [
        (seat.agency, _billed(seat), DateRange(seat.added_on, None)) for seat in seats
    ]
    return lines + _bills(changes, today)


def cancelled(seats: list[Seat], today: date) -> list[str]:
    """Seats that were entered by mistake."""
    lines = [f"{seat} is not billed for any date." for seat in seats]
    return lines + _bills([(seat.agency, _billed(seat), None) for seat in seats], today)


def handed_over(moves: list[tuple[Seat, Agent]], on: date) -> list[str]:
    """Seats that get another holder of the same agency."""
    return [
        f"{seat} is held by {agent.external_id} ({agent.name}) from {on} on."
        " The bill stays the same."
        for seat, agent in moves
    ]


def transferred(moves: list[tuple[Seat, Agent]], on: date, today: date) -> list[str]:
    """Seats that end at one agency and begin at another."""
    lines: list[str] = []
    changes: list[Change] = []
    for seat, agent in moves:
        lines.append(
            f"{seat} ends at {seat.agency.code} on {on}; {agent.external_id} of"
            f" {agent.agency.code} gets one from {on} on."
        )
        if on >= seat.added_on:
            end = billed_range(seat.added_on, on)
            changes.append((seat.agency, _billed(seat), end))
        changes.append((agent.agency, None, DateRange(on, _billed(seat).end)))
    return lines + _bills(changes, today)


def _billed(seat: Seat) -> DateRange:
    if seat.cancelled:
        return DateRange(seat.added_on, seat.added_on)
    return billed_range(seat.added_on, seat.removed_on)


def _bills(changes: Iterable[Change], today: date) -> list[str]:
    """What billing says about the seat days of each agency and month that differ."""
    days: dict[tuple[Agency, date], list[int]] = defaultdict(lambda: [0, 0])
    for agency, *ranges in changes:
        for side, dates in enumerate(ranges):
            if dates is None:
                continue
            for month in _months(dates, today):
                days[agency, month][side] += month_range(month).overlap_days(dates)
    differing = {
        key: (before, after)
        for key, (before, after) in sorted(
            days.items(), key=lambda item: (item[0][0].code, item[0][1])
        )
        if before != after
    }
    answers: list[Any] = seat_days_previewed.send(Seat, days=differing)
    return [line for _, lines in answers for line in lines]


def _months(dates: DateRange, today: date) -> list[date]:
    """Those that the dates may touch, up to this month or the one they begin in."""
    last = max(month_of(today), month_of(dates.start))
    return months_between(month_of(dates.start), last)[-MONTHS:]
