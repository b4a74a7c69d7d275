"""Webhook events of budgets. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from core.webhook_events import Month, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class BudgetEvent(WebhookEvent):
    """A threshold of a budget.

    `used` and `limit` are in `unit`; `expected_on` is set for a forecast only.
    """

    budget: UUID
    agency: str
    agent: str | None
    meter: str | None
    month: Month
    threshold: int
    used: Decimal
    limit: Decimal
    unit: str
    hard: bool
    expected_on: date | None = None


class BudgetThresholdReached(BudgetEvent):
    """A budget reached a threshold."""

    event_type = "usage.threshold_reached"
    message = "{threshold}% of the budget is used: {used} of {limit} {unit}."


class BudgetForecastReached(BudgetEvent):
    """A budget is expected to reach a threshold this month."""

    event_type = "usage.forecast_reached"
    message = "The budget of {limit} {unit} is expected to be used up on {expected_on}."
