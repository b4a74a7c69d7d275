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
    """A required reason is empty. Shared, because every room asks for reasons."""

    code = "reason_missing"


class UnknownAgent(Refusal):
    """An agency has no such agent. One class, because every room names agents."""

    code = "unknown_agent"
    kind = Kind.MALFORMED


class TooFarAhead(Refusal):
    """A date so far ahead that it must be a typing error. Shared by all rooms."""

    code = "too_far_ahead"
