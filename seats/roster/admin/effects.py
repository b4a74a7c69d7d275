"""Sentences about what a change of seats will do, shown before staff confirm it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Any

from core.admin.actions import Unchanged
from core.periods import DateRange, billed_range, month_of, month_range, months_between
from seats.agencies.models import Agency
from seats.roster.models import Agent, Seat
from seats.signals import seat_days_previewed

# The agency of a seat, and the dates it is billed for before and after the change.
BilledChange = tuple[Agency, DateRange | None, DateRange | None]
MONTHS = 24  # the last months shown; no service changes older ones


def added(
    agents: list[Agent], on: date | None, today: date, until: date | None = None
) -> list[str]:
    """Sentences about adding seats from a date on, and perhaps until another."""
    when = f"{on or 'the date chosen below'} on"
    if until:
        when += f" until {until}, which is not billed"
    lines = [
        f"{agent.external_id} ({agent.name}) of {agent.agency.code} gets a seat from"
        f" {when}."
        for agent in agents
    ]
    if not on or (until and until <= on):
        return lines
    dates = DateRange(on, until)
    return lines + _bills([(agent.agency, None, dates) for agent in agents], today)


def blocked(seats: list[Seat], *, reopening: bool = False) -> list[str]:
    """Sentences about why none of these seats can change; empty if all can."""
    reasons = [f"{seat} is cancelled." for seat in seats if seat.cancelled]
    if reopening:
        kept = [seat for seat in seats if not seat.cancelled and not seat.removed_on]
        reasons += [f"{seat} has not been removed." for seat in kept]
    if 0 < len(reasons) < len(seats):
        reasons.append("The others are not changed either: choose them alone.")
    return [Unchanged(reason) for reason in reasons]


def removed(seats: list[Seat], on: date | None, today: date) -> list[str]:
    """Sentences about removing seats on a date."""
    when = on or "the date chosen below"
    lines = [f"{seat} is not billed from {when} on." for seat in seats]
    changes = [
        (seat.agency, _billed(seat), billed_range(seat.added_on, on))
        for seat in seats
        if on and on >= seat.added_on
    ]
    return lines + _bills(changes, today)


def reopened(seats: list[Seat], today: date) -> list[str]:
    """Sentences about re-opening removed seats."""
    lines = [f"{seat} is billed as if it had not been removed." for seat in seats]
    changes = [
        (seat.agency, _billed(seat), DateRange(seat.added_on, None)) for seat in seats
    ]
    return lines + _bills(changes, today)


def cancelled(seats: list[Seat], today: date) -> list[str]:
    """Sentences about cancelling seats that were entered by mistake."""
    lines = [f"{seat} is not billed for any date." for seat in seats]
    return lines + _bills([(seat.agency, _billed(seat), None) for seat in seats], today)


def handed_over(moves: list[tuple[Seat, Agent]], on: date) -> list[str]:
    """Sentences about handing seats over to other agents of the agency."""
    return [
        f"{seat} is held by {agent.external_id} ({agent.name}) from {on} on."
        " The bill stays the same."
        for seat, agent in moves
    ]


def transferred(moves: list[tuple[Seat, Agent]], on: date, today: date) -> list[str]:
    """Sentences about transferring seats to agents of other agencies."""
    lines: list[str] = []
    changes: list[BilledChange] = []
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


def _bills(changes: Iterable[BilledChange], today: date) -> list[str]:
    """Billing's sentences about the agencies and months whose seat days change."""
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
    responses: list[Any] = seat_days_previewed.send(Seat, days=differing)
    return [line for _, lines in responses for line in lines]


def _months(dates: DateRange, today: date) -> list[date]:
    """The months of the dates, up to this month or the one they begin in."""
    last = max(month_of(today), month_of(dates.start))
    return months_between(month_of(dates.start), last)[-MONTHS:]
