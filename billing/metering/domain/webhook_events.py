"""Webhook events of archived usage. Pure."""

from dataclasses import dataclass
from datetime import datetime

from core.webhook_events import Internal, Month, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class UsageMonthArchived(WebhookEvent):
    """The usage events of a month were moved from the database to a file."""

    event_type = "usage_month.archived"
    message = "The {rows} usage events of {month} were moved to {file_name}."

    month: Month
    rows: int
    file_name: Internal[str]
    file_size: Internal[int]
    file_hash: Internal[str]
    sums_hash: Internal[str]
    archived_at: Internal[datetime]
    detached_at: Internal[datetime]
    actor: Internal[str]
