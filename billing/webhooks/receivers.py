"""Publish events for changes of agencies and seats.

The payload holds the complete change, so that verification can compare the two.
"""

from datetime import date, datetime
from typing import Any

from django.dispatch import receiver

from billing.webhooks.services.outbox import NewEvent, publish
from seats.models import Agency, SeatVersion
from seats.roster.services.changes import SeatChange
from seats.signals import agency_added, seats_changed, upline_changed, zone_changed

SEAT_EVENTS = {
    SeatVersion.Action.ADD: "seat.added",
    SeatVersion.Action.REMOVE: "seat.removed",
    SeatVersion.Action.HAND_OVER: "seat.handed_over",
    SeatVersion.Action.TRANSFER: "seat.transferred",
    SeatVersion.Action.REOPEN: "seat.reopened",
    SeatVersion.Action.CANCEL: "seat.cancelled",
    SeatVersion.Action.REDATE: "seat.redated",
}


@receiver(agency_added)
def publish_agency_added(
    *, agency: Agency, zone: str, actor: str, now: datetime, **_: Any
) -> None:
    payload = {
        "code": agency.code,
        "name": agency.name,
        "currency": agency.currency,
        "timezone": zone,
        "actor": actor,
    }
    publish([_agency_event(agency, "agency.added", payload)], now=now)


@receiver(zone_changed)
def publish_zone_changed(
    *, agency: Agency, zone: str, starts_on: date, actor: str, now: datetime, **_: Any
) -> None:
    payload = {
        "code": agency.code,
        "timezone": zone,
        "starts_on": starts_on.isoformat(),
        "actor": actor,
    }
    publish([_agency_event(agency, "agency.zone_changed", payload)], now=now)


@receiver(upline_changed)
def publish_upline_changed(
    *,
    agency: Agency,
    upline: Agency | None,
    on: date,
    actor: str,
    now: datetime,
    **_: Any,
) -> None:
    payload = {
        "code": agency.code,
        "upline": upline.code if upline else None,
        "on": on.isoformat(),
        "actor": actor,
    }
    publish([_agency_event(agency, "agency.upline_changed", payload)], now=now)


@receiver(seats_changed)
def publish_seats_changed(
    *, changes: list[SeatChange], now: datetime, **_: Any
) -> None:
    publish([_seat_event(change) for change in changes], now=now)


def _agency_event(agency: Agency, kind: str, payload: dict[str, Any]) -> NewEvent:
    return NewEvent(agency.pk, kind, f"agency:{agency.code}", payload)


def _seat_event(change: SeatChange) -> NewEvent:
    version = change.version
    return NewEvent(
        version.agency_id,
        SEAT_EVENTS[SeatVersion.Action(version.action)],
        f"seat:{change.seat_public_id}",
        {
            "seat": change.seat_public_id,
            "version": version.number,
            "agent": change.agent_external_id,
            "held_from": version.held_from.isoformat(),
            "added_on": version.added_on.isoformat(),
            "removed_on": version.removed_on and version.removed_on.isoformat(),
            "cancelled": version.cancelled,
            "waived_days": version.waived_days,
            "actor": version.actor,
            "reason": version.reason,
            "cutoff": version.cutoff,
        },
    )
