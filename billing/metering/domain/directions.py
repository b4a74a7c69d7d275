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

from billing.metering.domain.numbers import is_extension, is_public

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


@lru_cache(maxsize=10_000)
def is_inbound_context(context: str) -> bool:
    """Whether a dial plan context is one for calls from outside."""
    if OUTBOUND_WORDS.search(context):
        return False
    return bool(INBOUND_WORDS.search(context))


def direction_of(
    caller: End, called: End, *, calling: str, dialed: str, context: str
) -> Direction:
    """The direction of a call between two ends.

    `calling` and `dialed` are the numbers that the record has for them. A call between
    two extensions is internal, unless a public number was dialed (it was transferred).
    """
    if caller.kind >= EndKind.EXTENSION and called.kind >= EndKind.EXTENSION:
        return _between_extensions(caller, called, calling, dialed, context)
    if caller.kind >= EndKind.EXTENSION:
        return Direction.OUTBOUND
    if called.kind >= EndKind.EXTENSION:
        return Direction.INBOUND
    if caller.name and not called.name and caller.kind == EndKind.TRUNK:
        return Direction.INBOUND
    if caller.kind == called.kind or not called.name:
        return _by_context(context)
    return Direction.INBOUND if caller.kind < called.kind else Direction.OUTBOUND


def _by_context(context: str) -> Direction:
    return Direction.INBOUND if is_inbound_context(context) else Direction.OUTBOUND


def _between_extensions(
    caller: End, called: End, calling: str, dialed: str, context: str
) -> Direction:
    if not is_public(dialed):
        was_transferred = is_inbound_context(context) and is_public(calling)
        return Direction.INBOUND if was_transferred else Direction.INTERNAL
    if caller.kind < called.kind and not OUTBOUND_WORDS.search(context):
        return Direction.INBOUND  # a trunk may be named by a number
    return Direction.OUTBOUND


def agent_of(recorded: str, end: End, agents: Collection[str]) -> str | None:
    """The agent of a call: what was recorded, unless only the end is a known agent."""
    if recorded in agents:
        return recorded
    if end.kind == EndKind.AGENT:
        return end.name
    return recorded or (end.name if end.kind > EndKind.TRUNK else "") or None
