"""The direction of a call and its agent, from who its ends are. Pure.

One place for the feeds that do not say the direction. An end is a known agent, looks like
an extension, or is neither (a trunk, or the public network). The end that is more of an
agent than the other is the agency's; the dial plan's context decides only between ends
that tell nothing.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, IntEnum
from functools import lru_cache

from billing.metering.domain.numbers import is_dialed_out, is_extension, is_public

OUTBOUND_WORDS = re.compile(
    r"outbound|outgoing|from-internal|from-inside|dialout|outrt|^to-", re.IGNORECASE
)
INBOUND_WORDS = re.compile(
    r"inbound|incoming|from-(?:trunk|pstn|did|outside|sip-external)|queue|^public$"
    r"|pstn|external|ext-(?:group|did|queues)|ring-?group|ivr|^did",
    re.IGNORECASE,
)
TRUNK_WORDS = re.compile(
    r"trunk|carrier|gateway|provider|pstn|\bgw\b|\bsbc\b", re.IGNORECASE
)


ADDRESS = re.compile(r"[0-9]+(?:\.[0-9]+){3}(?::[0-9]+)?")


class Direction(Enum):
    """Where a call came from, as seen by the agency."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class EndKind(IntEnum):
    """What is known of an end; the greater is more of an agent."""

    TRUNK = 0
    UNKNOWN = 1
    EXTENSION = 2
    AGENT = 3


@dataclass(frozen=True, slots=True)
class End:
    """One end of a call: its name (empty: there is none) and what it is."""

    name: str
    kind: EndKind


NO_END = End("", EndKind.TRUNK)


def end_of(name: str, agents: Collection[str]) -> End:
    """The end with a name, such as a peer or a number."""
    if not name:
        return NO_END
    if name in agents:
        return End(name, EndKind.AGENT)
    if is_extension(name):
        return End(name, EndKind.EXTENSION)
    if is_public(name) or TRUNK_WORDS.search(name) or ADDRESS.fullmatch(name):
        return End(name, EndKind.TRUNK)
    return End(name, EndKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class ContextWords:
    """The words, in lower case, by which an agency's dial plan names its contexts."""

    inbound: tuple[str, ...] = ()
    outbound: tuple[str, ...] = ()


USUAL_WORDS = ContextWords()


@lru_cache(maxsize=10_000)
def direction_in_context(context: str, words: ContextWords) -> Direction | None:
    """The direction that the name of a dial plan context says; None: it says nothing.

    The agency's own words come first, the longest one in the name decides; then the
    usual ones.
    """
    name = context.lower()
    own = [
        (len(word), direction is Direction.OUTBOUND, direction)
        for direction, several in (
            (Direction.INBOUND, words.inbound), (Direction.OUTBOUND, words.outbound)
        )
        for word in several
        if word in name
    ]  # fmt: skip
    if own:
        return max(own, key=lambda match: match[:2])[2]
    if OUTBOUND_WORDS.search(context):
        return Direction.OUTBOUND
    return Direction.INBOUND if INBOUND_WORDS.search(context) else None


def direction_of(
    caller: End,
    called: End,
    *,
    calling: str,
    dialed: str,
    context: Direction | None,
) -> Direction:
    """The direction of a call between two ends.

    `calling` and `dialed` are the numbers that the record has for them, `context` is the
    direction that the dial plan's context says. A call between two extensions is
    internal, unless a public number was dialed (it was transferred), and so is one that
    has no other end, such as to a mailbox or a conference.
    """
    if caller.kind >= EndKind.EXTENSION and called.kind >= EndKind.EXTENSION:
        return _between_extensions(caller, called, calling, dialed, context)
    if caller.kind >= EndKind.EXTENSION:
        is_own_service = not called.name and not is_dialed_out(dialed)
        return Direction.INTERNAL if is_own_service else Direction.OUTBOUND
    if called.kind >= EndKind.EXTENSION:
        return Direction.INBOUND
    if caller.name and not called.name and caller.kind == EndKind.TRUNK:
        return Direction.INBOUND
    if caller.kind == called.kind or not called.name:
        return context or Direction.OUTBOUND
    return Direction.INBOUND if caller.kind < called.kind else Direction.OUTBOUND


def _between_extensions(
    caller: End, called: End, calling: str, dialed: str, context: Direction | None
) -> Direction:
    if not is_public(dialed):
        was_transferred = context is Direction.INBOUND and is_public(calling)
        return Direction.INBOUND if was_transferred else Direction.INTERNAL
    if caller.kind < called.kind and context is not Direction.OUTBOUND:
        return Direction.INBOUND  # a trunk may be named by a number
    return Direction.OUTBOUND


def agent_of(recorded: str, end: End, agents: Collection[str]) -> str | None:
    """The agent of a call: what was recorded, unless only the end is a known agent."""
    if recorded in agents:
        return recorded
    if end.kind == EndKind.AGENT:
        return end.name
    return recorded or (end.name if end.kind > EndKind.TRUNK else "") or None
