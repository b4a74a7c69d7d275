"""What a seat's versions say: which dates it is billed, and who holds it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from seats.periods import billed_range


@dataclass(frozen=True, slots=True)
class Version:
    """The facts of one version; see SeatVersion."""

    agent_id: int
    held_from: date
    added_on: date
    removed_on: date | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """The dates one agent holds a seat; half-open, without end: for ever."""

    agent_id: int
    starts_on: date
    ends_on: date | None


def holdings_of(versions: Sequence[Version]) -> list[Holding]:
    """Who holds the seat when, by its versions in order; a cancelled seat: nobody.

    A date belongs to its last holder: of several versions the newest that begins at
    or before it.
    """
    newest = versions[-1]
    if newest.cancelled:
        return []
    days = billed_range(newest.added_on, newest.removed_on)
    starts = {days.start} | {
        version.held_from
        for version in versions
        if version.held_from > days.start
        and (days.end is None or version.held_from < days.end)
    }
    holdings: list[Holding] = []
    for start in sorted(starts):
        agent_id = holder_on(versions, start)
        if holdings and holdings[-1].agent_id == agent_id:
            continue
        if holdings:
            holdings[-1] = Holding(holdings[-1].agent_id, holdings[-1].starts_on, start)
        holdings.append(Holding(agent_id, start, days.end))
    return holdings


def holder_on(versions: Sequence[Version], day: date) -> int:
    """The agent of the newest version that begins by a date, else of the first."""
    for version in reversed(versions):
        if version.held_from <= day:
            return version.agent_id
    return versions[0].agent_id
