"""Webhook events of seats. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from core.webhook_events import Internal, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class SeatEvent(WebhookEvent):
    """A change of a seat, with the seat as it is afterwards.

    `agent` is the dialer's own code of the holder; `version` counts the changes.

    `waived_days` are dates on which the seat was used and that this change takes off
    the bill.
    """

    seat: UUID
    version: int
    agent: str
    held_from: date
    added_on: date
    removed_on: date | None
    cancelled: bool
    waived_days: int
    actor: Internal[str]
    reason: Internal[str]
    cutoff: Internal[int]


class SeatAdded(SeatEvent):
    """A seat was added."""

    event_type = "seat.added"
    message = "Seat of {agent} was added from {added_on} on."


class SeatRemoved(SeatEvent):
    """A seat was removed from a date on."""

    event_type = "seat.removed"
    message = "Seat of {agent} ends on {removed_on}."


class SeatHandedOver(SeatEvent):
    """A seat has another holder from a date on."""

    event_type = "seat.handed_over"
    message = "Seat was handed over to {agent} from {held_from} on."


class SeatTransferred(SeatEvent):
    """A seat was transferred to another agency."""

    event_type = "seat.transferred"
    message = "Seat of {agent} was transferred to another agency on {removed_on}."
    arrival = "Seat of {agent} was transferred from another agency on {added_on}."

    @classmethod
    def message_for(cls, payload: Mapping[str, Any]) -> str:
        """It is published at both agencies; the new seat is at version 1."""
        return cls.arrival if payload.get("version") == 1 else cls.message


class SeatReopened(SeatEvent):
    """The removal of a seat was taken back."""

    event_type = "seat.reopened"
    message = "Seat of {agent} was reopened: its removal was taken back."


class SeatCancelled(SeatEvent):
    """A seat that was entered by mistake was cancelled."""

    event_type = "seat.cancelled"
    message = "Seat of {agent} was cancelled: entered by mistake. {reason}"


class SeatRedated(SeatEvent):
    """The end of a removed seat was moved to another date."""

    event_type = "seat.redated"
    message = "Seat of {agent} now ends on {removed_on}."
