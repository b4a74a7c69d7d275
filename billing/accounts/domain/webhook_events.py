"""Webhook events of payer shares and of suspended accounts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class PayerSharesChanged(WebhookEvent):
    """Who pays for the agency changes on a date."""

    event_type = "payer_shares.changed"
    message = "The payers change on {starts_on}. {reason}"

    agency: str
    starts_on: date
    shares: Internal[Mapping[str, str]]
    actor: Internal[str]
    reason: Internal[str]
    cutoff: Internal[int]


@dataclass(frozen=True, kw_only=True)
class StandingChanged(WebhookEvent):
    """Whether the agency may make outbound calls has changed."""

    agency: str
    standing: Internal[str]
    reason: Internal[str]
    actor: Internal[str]


class OutboundSuspended(StandingChanged):
    """The agency's outbound calls were suspended."""

    event_type = "account.outbound_suspended"
    message = "Outbound calls were suspended: {reason}"


class SuspensionLifted(StandingChanged):
    """The agency may make outbound calls again."""

    event_type = "account.suspension_lifted"
    message = "Outbound calls were allowed again: {reason}"
