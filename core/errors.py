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


class NotFound(Refusal):
    """The path or the object does not exist, or the API key does not reach it.

    Check the path and the id, and which agencies the key reaches.
    """

    code = "not_found"
    kind = Kind.NOT_FOUND

    def __init__(
        self, message: str = "Not found.", *, field: str | None = None
    ) -> None:
        super().__init__(message, field=field)


class NotPermitted(Refusal):
    """The API key does not have the scope that is required, or is not the platform's.

    Use a key as `detail` describes it.
    """

    code = "permission_denied"
    kind = Kind.FORBIDDEN


class BodyTooLarge(Refusal):
    """The request body is larger than this route accepts.

    Send smaller requests; `detail` states the limit.
    """

    code = "body_too_large"
    kind = Kind.TOO_LARGE


class BadMonth(Refusal):
    """The month is not written as YYYY-MM, or is out of range.

    Send a month such as 2026-10 within the range that `detail` states.
    """

    code = "bad_month"
    kind = Kind.MALFORMED


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
