"""Refusals: anticipated errors of the caller, with a message and a stable code."""

from enum import StrEnum
from typing import ClassVar


class Kind(StrEnum):
    """What kind of problem a refusal is; `config.http.errors` maps each to a status."""

    INVALID = "invalid"  # understood, but the rules do not allow it
    MALFORMED = "malformed"  # cannot be read, or names what this route does not have
    TOO_LARGE = "too_large"  # more than is accepted at a time
    LENGTH_REQUIRED = "length_required"  # the size is not stated ahead
    NOT_FOUND = "not_found"  # does not exist within the caller's reach
    CONFLICT = "conflict"  # differs from what exists or is in progress
    FORBIDDEN = "forbidden"  # the caller may not do it
    UNAVAILABLE = "unavailable"  # cannot be done now; the same request may work later


class Refusal(Exception):
    """A request that cannot be carried out as it is; nothing was changed.

    `code` is stable, for programs; `message` is for people; `field` names the input
    that was wrong, if it was a single one. The docstring of a refusal says in its first
    line what the code means, and below that what to do; docs/errors.md is made of them.
    """

    code: ClassVar[str] = "refused"
    kind: ClassVar[Kind] = Kind.INVALID

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ReasonMissing(Refusal):
    """A required reason is empty.

    Enter a reason.
    """

    code = "reason_missing"


class UnknownAgent(Refusal):
    """The agency has no such agent, or the agents do not match the selected seats.

    Check the agency and the agent's `external_id`; `detail` says which one is wrong.
    """

    code = "unknown_agent"
    kind = Kind.MALFORMED


class TooFarAhead(Refusal):
    """The date is too far in the future.

    Choose a date up to the limit that `detail` states.
    """

    code = "too_far_ahead"
