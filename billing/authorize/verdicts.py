"""Whether somebody may dial, from what is known of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from seats.periods import month_of

UNKNOWN_AGENT = "unknown_agent"
NO_SEAT = "no_seat"
SUSPENDED = "suspended"
BUDGET_EXCEEDED = "budget_exceeded"
NOT_CHECKED = "not_checked"
REASONS = [UNKNOWN_AGENT, NO_SEAT, SUSPENDED, BUDGET_EXCEEDED, NOT_CHECKED]


@dataclass(frozen=True, slots=True)
class Held:
    """A seat that an agent holds on dates, half-open."""

    seat: str
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A hard budget that was passed in a month, and which agency set it."""

    budget: str
    month: date
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of an agent around now."""

    agent: bool
    suspended: bool
    held: Sequence[Held]
    exceeded: Sequence[Exceeded]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to dial, why not, the seat of today and the first budget in the way."""

    allowed: bool
    reasons: list[str]
    seat: str | None = None
    budget: str | None = None


def judge(known: Known, *, today: date) -> Verdict:
    """May this agent dial on the agency's local date?"""
    seats = [
        one.seat
        for one in known.held
        if one.starts_on <= today and (one.ends_on is None or one.ends_on > today)
    ]
    budgets = [one.budget for one in known.exceeded if one.month == month_of(today)]
    against = {
        UNKNOWN_AGENT: not known.agent,
        NO_SEAT: known.agent and not seats,
        SUSPENDED: known.suspended,
        BUDGET_EXCEEDED: bool(budgets),
    }
    reasons = [reason for reason, holds in against.items() if holds]
    return Verdict(
        allowed=not reasons,
        reasons=reasons,
        seat=seats[0] if seats else None,
        budget=budgets[0] if budgets else None,
    )
