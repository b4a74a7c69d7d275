"""Decides whether an agent may dial. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core.periods import month_of

UNKNOWN_AGENT = "unknown_agent"
NO_SEAT = "no_seat"
SUSPENDED = "suspended"
BUDGET_EXCEEDED = "budget_exceeded"
NOT_CHECKED = "not_checked"
REASONS = [UNKNOWN_AGENT, NO_SEAT, SUSPENDED, BUDGET_EXCEEDED, NOT_CHECKED]


@dataclass(frozen=True, slots=True)
class HeldSeat:
    """A seat and the local dates on which an agent holds it: [starts_on, ends_on)."""

    seat: str
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True, slots=True)
class ExceededBudget:
    """A hard budget that is used up in a month, and the agency that set it, by id."""

    budget: str
    month: date
    owner: int | None = None


@dataclass(frozen=True, slots=True)
class AgentState:
    """Everything about an agent that decides whether a call may start now."""

    agent_exists: bool
    suspended: bool
    held_seats: Sequence[HeldSeat]
    exceeded_budgets: Sequence[ExceededBudget]


@dataclass(frozen=True, slots=True)
class AuthorizeDecision:
    """Whether the agent may dial, why not, and the seat and budget behind it."""

    allowed: bool
    reasons: list[str]
    seat: str | None = None
    budget: str | None = None


def judge(state: AgentState, *, today: date) -> AuthorizeDecision:
    """Decide for `today`, a local date of the agency."""
    seats = [
        held.seat
        for held in state.held_seats
        if held.starts_on <= today and (held.ends_on is None or held.ends_on > today)
    ]
    budgets = [
        exceeded.budget
        for exceeded in state.exceeded_budgets
        if exceeded.month == month_of(today)
    ]
    against = {
        UNKNOWN_AGENT: not state.agent_exists,
        NO_SEAT: state.agent_exists and not seats,
        SUSPENDED: state.suspended,
        BUDGET_EXCEEDED: bool(budgets),
    }
    reasons = [reason for reason, holds in against.items() if holds]
    return AuthorizeDecision(
        allowed=not reasons,
        reasons=reasons,
        seat=seats[0] if seats else None,
        budget=budgets[0] if budgets else None,
    )
