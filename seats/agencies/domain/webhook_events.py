"""Webhook events of agencies. Pure."""

from dataclasses import dataclass
from datetime import date

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class AgencyAdded(WebhookEvent):
    """An agency became a customer."""

    event_type = "agency.added"
    message = "{name} became a customer, billed in {currency}, in time zone {timezone}."

    code: str
    currency: str
    timezone: str
    name: Internal[str]
    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class AgencyZoneChanged(WebhookEvent):
    """The agency has another time zone from a month on."""

    event_type = "agency.zone_changed"
    message = "The time zone is {timezone} from {starts_on} on."

    code: str
    timezone: str
    starts_on: date
    actor: Internal[str]


@dataclass(frozen=True, kw_only=True)
class AgencyUplineChanged(WebhookEvent):
    """The agency has another upline from a date on."""

    event_type = "agency.upline_changed"
    message = "The upline is {upline} from {on} on."

    code: str
    upline: str | None
    on: date
    actor: Internal[str]
