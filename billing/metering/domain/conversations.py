"""Decides which legs of a conversation count, and for which agent. Pure.

One place for all feeds. The result is a function of the set of legs, not of their order:

1. An internal leg does not count. It may name the agent of the others.
2. A leg that another one names as its other end does not count beside it. Of two that
   name each other, an answered one, the lower rank, the earlier answer or the lower id
   counts.
3. A leg with a parent counts if the parent is internal, and does not if the parent is
   on the public network, which then counts itself. While the parent is not there it
   waits, unless the conversation is complete.
4. Of the remaining legs of a session that overlap in time, which are the ends of one
   talk, the lowest rank or the first to be answered counts. Legs after one another all
   count, and so do the calls that one internal leg made.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache

from billing.metering.domain.legs import INTERNAL, OTHER_LEG, CallLeg

PARENT_MISSING = "its first leg was not read yet"


class Verdict(Enum):
    """What is decided about a leg."""

    COUNTS = "counts"
    SKIPPED = "skipped"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a leg: the agent of one that counts, else the reason."""

    verdict: Verdict
    agent: str | None = None
    reason: str = ""


SKIPPED_INTERNAL = Decision(Verdict.SKIPPED, reason=INTERNAL)
SKIPPED_OTHER = Decision(Verdict.SKIPPED, reason=OTHER_LEG)
WAITS = Decision(Verdict.WAITS, reason=PARENT_MISSING)


def decide_alone(leg: CallLeg) -> Decision:
    """The decision on a leg whose feed has one leg per conversation."""
    if leg.is_internal:
        return SKIPPED_INTERNAL
    return _counts_for(leg.agent)


@lru_cache(maxsize=10_000)
def _counts_for(agent: str | None) -> Decision:
    return Decision(Verdict.COUNTS, agent)


def decide_conversation(
    legs: Iterable[CallLeg], *, is_complete: bool
) -> dict[str, Decision]:
    """The decision on every leg, by id; `is_complete`: no other leg will come."""
    by_id = {leg.id: leg for leg in legs}
    decisions: dict[str, Decision] = {}
    talks: list[CallLeg] = []
    for leg in sorted(by_id.values(), key=_order):
        decision = _by_links(leg, by_id, is_complete=is_complete)
        if decision is None:
            talks.append(leg)
        else:
            decisions[leg.id] = decision
    return decisions | _by_time(talks, by_id)


def _order(leg: CallLeg) -> tuple[bool, int, datetime, str]:
    """Answered legs first, by rank, then in the order of their answer."""
    return (not leg.seconds, leg.rank, leg.occurred_at, leg.id)


def _by_links(
    leg: CallLeg, by_id: Mapping[str, CallLeg], *, is_complete: bool
) -> Decision | None:
    """The decision that follows from the names of other legs; None: none of them."""
    if leg.is_internal:
        is_beside = leg.in_session and not all(x.is_internal for x in by_id.values())
        return SKIPPED_OTHER if is_beside else SKIPPED_INTERNAL
    if any(_yields_to(leg, namer) for namer in by_id.values()):
        return SKIPPED_OTHER
    if not leg.parent:
        return None
    parent = by_id.get(leg.parent)
    if parent is None and not is_complete:
        return WAITS
    return None if parent is None or parent.is_internal else SKIPPED_OTHER


def _yields_to(leg: CallLeg, namer: CallLeg) -> bool:
    """Whether a leg is the other end of one that counts before it."""
    if namer.other != leg.id or namer.id == leg.id:
        return False
    return leg.other != namer.id or _order(namer) < _order(leg)


def _by_time(
    talks: Sequence[CallLeg], by_id: Mapping[str, CallLeg]
) -> dict[str, Decision]:
    """The decisions on the public legs, which are in their order of preference."""
    decisions: dict[str, Decision] = {}
    taken: list[tuple[datetime, datetime]] = []
    for leg in talks:
        start, end = leg.occurred_at, _end(leg)
        if leg.in_session and any(start < b and a < end for a, b in taken):
            decisions[leg.id] = SKIPPED_OTHER
            continue
        decisions[leg.id] = _counts_for(leg.agent or _agent(leg, by_id))
        taken.append((start, end))
    return decisions


def _end(leg: CallLeg) -> datetime:
    try:
        return leg.occurred_at + timedelta(seconds=float(leg.seconds))
    except OverflowError:
        return leg.occurred_at


def _agent(leg: CallLeg, by_id: Mapping[str, CallLeg]) -> str | None:
    """The agent that the other legs name: the parent, else the longest child."""
    parent = by_id.get(leg.parent)
    if parent is not None and parent.agent:
        return parent.agent
    children = [
        other
        for other in by_id.values()
        if other.is_internal and other.agent and leg.id in (other.parent, other.other)
    ]
    if not children and not leg.parent:
        children = [
            other for other in by_id.values() if other.is_internal and other.agent
        ]
    if not children:
        return None
    return max(children, key=lambda child: (child.seconds, child.id)).agent
