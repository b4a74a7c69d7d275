"""Refusals: anticipated errors of the caller, with a message and a stable code."""

from typing import ClassVar


class Refusal(Exception):
    """A request that cannot be carried out as it is; nothing was changed.

    `code` is stable, for programs; `message` is for people; `field` names the input
    that was wrong, if it was a single one.
    """

    code: ClassVar[str] = "refused"

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
    status = 400


class TooFarAhead(Refusal):
    """A date so far ahead that it must be a typing error. Shared by all rooms."""

    code = "too_far_ahead"
