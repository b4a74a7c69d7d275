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

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache

from billing.metering.domain.legs import INTERNAL, OTHER_LEG, CallLeg
from billing.metering.domain.quantities import duration_of

MOST_NAMED = 100  # internal legs that may name the agent of a conversation
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
    conversation = _Conversation(legs, is_complete=is_complete)
    return conversation.decide()


def _order(leg: CallLeg) -> tuple[bool, int, datetime, str]:
    """Answered legs first, by rank, then in the order of their answer."""
    return (not leg.seconds, leg.rank, leg.occurred_at, leg.id)


class _Conversation:
    """The legs of a conversation, by what they say of each other."""

    def __init__(self, legs: Iterable[CallLeg], *, is_complete: bool) -> None:
        self._legs = {leg.id: leg for leg in legs}
        self._is_complete = is_complete
        self._namers: dict[str, list[CallLeg]] = {}
        for leg in self._legs.values():
            if leg.other and leg.other != leg.id:
                self._namers.setdefault(leg.other, []).append(leg)
        internal = [leg for leg in self._legs.values() if leg.is_internal]
        self._has_public = len(internal) < len(self._legs)
        named = [leg for leg in internal if leg.agent]
        self._agents = sorted(named, key=lambda leg: (-leg.seconds, leg.id))[
            :MOST_NAMED
        ]

    def decide(self) -> dict[str, Decision]:
        decisions: dict[str, Decision] = {}
        talks: list[tuple[datetime, datetime]] = []  # in order, without overlaps
        for leg in sorted(self._legs.values(), key=_order):
            decision = self._by_links(leg)
            if decision is None and leg.in_session and leg.seconds:
                decision = _by_time(leg, talks)
            decisions[leg.id] = decision or _counts_for(leg.agent or self._agent(leg))
        return decisions

    def _by_links(self, leg: CallLeg) -> Decision | None:
        """The decision that follows from the names of other legs; None: it counts."""
        if leg.is_internal:
            is_beside = leg.in_session and self._has_public
            return SKIPPED_OTHER if is_beside else SKIPPED_INTERNAL
        if any(_yields_to(leg, namer) for namer in self._namers.get(leg.id, ())):
            return SKIPPED_OTHER
        if not leg.parent:
            return None
        parent = self._legs.get(leg.parent)
        if parent is None and not self._is_complete:
            return WAITS
        return None if parent is None or parent.is_internal else SKIPPED_OTHER

    def _agent(self, leg: CallLeg) -> str | None:
        """The agent that the other legs name.

        That of its other end, else of the parent, else of the longest talk with it.
        """
        ends = list(self._namers.get(leg.id, ()))
        if leg.other in self._legs:
            ends.append(self._legs[leg.other])
        named = [end for end in ends if end.agent]
        if named:
            return min(named, key=_order).agent
        parent = self._legs.get(leg.parent)
        if parent is not None and parent.agent:
            return parent.agent
        children = [other for other in self._agents if not other.parent
                    or other.parent == leg.id]  # fmt: skip
        if leg.parent or not children:
            return None
        return max(
            children, key=lambda child: (_overlap(leg, child), child.seconds, child.id)
        ).agent


def _yields_to(leg: CallLeg, namer: CallLeg) -> bool:
    """Whether a leg is the other end of one that counts before it."""
    return leg.other != namer.id or _order(namer) < _order(leg)


def _by_time(leg: CallLeg, talks: list[tuple[datetime, datetime]]) -> Decision | None:
    """Skipped if a talk of the session was at the same time; else a talk of its own."""
    talk = (leg.occurred_at, _end(leg))
    place = bisect_left(talks, talk)
    before, after = talks[max(place - 1, 0) : place], talks[place : place + 1]
    if any(talk[0] < end and start < talk[1] for start, end in before + after):
        return SKIPPED_OTHER
    talks.insert(place, talk)
    return None


def _overlap(leg: CallLeg, other: CallLeg) -> float:
    """For how many seconds two legs were at the same time; negative if they were not."""
    start = max(leg.occurred_at, other.occurred_at)
    return (min(_end(leg), _end(other)) - start).total_seconds()


def _end(leg: CallLeg) -> datetime:
    try:
        return leg.occurred_at + duration_of(leg.seconds)
    except OverflowError:
        return leg.occurred_at
