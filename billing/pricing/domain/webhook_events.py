"""Webhook events of price lists. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class PriceListPublished(WebhookEvent):
    """A price list was published and can no longer be changed."""

    event_type = "price_list.published"
    message = (
        "Price list {code} was published: {seat_price} per seat from {starts_on} on."
    )

    code: str
    currency: str
    starts_on: date
    seat_price: Decimal
    hash: str
    seat_includes: Internal[Sequence[str]]
    rates: Internal[Sequence[Mapping[str, Any]]]
