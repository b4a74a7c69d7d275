"""Webhook events of dunning, one for each step of a case. Pure."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class DunningEvent(WebhookEvent):
    """A step of a dunning case.

    `id` is the case's; `amount` is what the step is about, `number` the oldest invoice's.
    """

    id: UUID
    agency: str
    state: str
    invoice: UUID
    number: str
    amount: Decimal
    currency: str
    next_step_at: datetime | None
    note: Internal[str]
    actor: Internal[str]


class DunningStarted(DunningEvent):
    """An invoice could not be charged, or is past its due date."""

    event_type = "dunning.started"
    message = "{number} could not be charged, or is past its due date."


class DunningRetryScheduled(DunningEvent):
    """An invoice will be charged again."""

    event_type = "dunning.retry_scheduled"
    message = "{number} will be charged again on {next_step_at}. {note}"


class DunningRetried(DunningEvent):
    """An invoice is being charged again."""

    event_type = "dunning.retried"
    message = "{number} is being charged again."


class DunningPaymentMethodNeeded(DunningEvent):
    """The payment method is not charged again; a new one is needed."""

    event_type = "dunning.payment_method_needed"
    message = (
        "{number} is not charged again until there is a new payment method. {note}"
    )


class DunningOverdue(DunningEvent):
    """Calls will be suspended unless the overdue amount is paid."""

    event_type = "dunning.overdue"
    message = "{amount} is overdue. Calls will be suspended on {next_step_at}."


class DunningSuspended(DunningEvent):
    """Calls are suspended until the overdue amount is paid."""

    event_type = "dunning.suspended"
    message = "Calls are suspended until {amount} is paid."


class DunningLifted(DunningEvent):
    """Dunning no longer suspends calls, although something is still owed."""

    event_type = "dunning.lifted"
    message = "Dunning no longer suspends calls."


class DunningHeld(DunningEvent):
    """Staff paused dunning until a date."""

    event_type = "dunning.held"
    message = "Dunning of {amount} is paused until {next_step_at}. {note}"


class DunningEnded(DunningEvent):
    """The dunning case ended; nothing is past due any more."""

    event_type = "dunning.ended"
    message = "Dunning ended: nothing is past due any more."
