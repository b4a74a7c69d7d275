"""Webhook events of endpoints, and of what ends with an upline's access. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class AccessEnded(WebhookEvent):
    """An object that an upline had set up for an agency ended, as the agency left.

    `object` is a webhook_endpoint, budget or payment_page that `owner` had set up.
    """

    event_type = "access.ended"
    message = (
        "The {object} that {owner} had set up for {agency} ended: {agency} left its"
        " downline."
    )

    object: str
    id: UUID
    agency: str
    owner: str


@dataclass(frozen=True, kw_only=True)
class EndpointPaused(WebhookEvent):
    """An endpoint was paused after days of failures, or disabled by 410 Gone."""

    event_type = "webhook_endpoint.paused"
    message = "A webhook endpoint is {state}. {reason}"

    endpoint: UUID
    state: str
    reason: str
    failing_since: datetime | None


@dataclass(frozen=True, kw_only=True)
class EndpointTested(WebhookEvent):
    """A test event was requested for this endpoint."""

    event_type = "webhook_endpoint.test"
    message = "A test event was requested for a webhook endpoint."

    endpoint: UUID
    actor: Internal[str]
