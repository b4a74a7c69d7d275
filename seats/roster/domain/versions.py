"""Which dates a seat is billed and who holds it, computed from its versions. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core.periods import DAY, DateRange, billed_range


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a seat; see SeatVersion."""

    agent_id: int
    held_from: date
    added_on: date
    removed_on: date | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """The dates on which an agent holds a seat; half-open, `ends_on` None: no end."""

    agent_id: int
    starts_on: date
    ends_on: date | None


def holdings_of(versions: Sequence[Version]) -> list[Holding]:
    """Who holds a seat on which dates, by its versions in order; empty if cancelled.

    The holder on a date is the agent of the newest version that begins at or before it.
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
    """The agent of the newest version that begins by a date, or else of the first."""
    for version in reversed(versions):
        if version.held_from <= day:
            return version.agent_id
    return versions[0].agent_id


@dataclass(frozen=True, slots=True)
class HolderClaim:
    """Dates on which an agent was on record as the holder of a seat; half-open.

    A call of that agent on such a date used the seat, whoever is recorded as its holder
    now. `ends_on` None: no end.
    """

    agent_id: int
    starts_on: date
    ends_on: date | None


def claims_of(
    versions: Sequence[Version], superseded_on: Sequence[date]
) -> list[HolderClaim]:
    """All holders a seat ever had on record, by its versions in order.

    `superseded_on` has the local date on which each version but the newest was replaced
    by the next. A replaced version counts for that date and earlier ones only: nobody
    could use the seat by it afterwards.
    """
    claims: dict[HolderClaim, None] = {}
    held: list[tuple[date, int]] = []
    for n, version in enumerate(versions):
        while held and held[-1][0] >= version.held_from:
            held.pop()
        held.append((version.held_from, version.agent_id))
        if version.cancelled:
            continue
        limits = [billed_range(version.added_on, version.removed_on).end]
        if n < len(superseded_on):
            limits.append(superseded_on[n] + DAY)
        following = [start for start, _ in held[1:]]
        for (start, agent_id), next_start in zip(held, [*following, None], strict=True):
            ends = [end for end in (*limits, next_start) if end is not None]
            end = min(ends, default=None)
            if end is None or start < end:
                claims[HolderClaim(agent_id, start, end)] = None
    return list(claims)


def dates_lost(before: DateRange, after: DateRange | None) -> DateRange | None:
    """The dates of `before` that are missing in `after`; both start on the same date.

    `after` None (cancelled): all dates are lost. Returns None if no date is lost.
    """
    if after is None:
        return before
    if after.end is None:
        return None
    if before.end is not None and before.end <= after.end:
        return None
    return DateRange(after.end, before.end)
