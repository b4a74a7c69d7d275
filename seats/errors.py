"""Refusals: what a caller did that cannot be done, said for people and programs."""

from typing import ClassVar


class Refusal(Exception):
    """An anticipated refusal. `code` is stable; `field` names what was wrong."""

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class ReasonMissing(Refusal):
    """What is done must say why. One class, because every room asks for reasons."""

    code = "reason_missing"


class UnknownAgent(Refusal):
    """An agency has no such agent. One class, because every room names agents."""

    code = "unknown_agent"
    status = 400


class TooFarAhead(Refusal):
    """A date that can only be a typing error. One class, because every room has dates."""

    code = "too_far_ahead"
