"""What settling held events will do, in sentences, before staff confirm it."""

from typing import Any

from billing.metering.models import QuarantinedEvent
from seats.admin_actions import Unchanged


def release_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The agency and agent that each event is counted for."""
    agency, agent = (data["agency"], data["agent"]) if data else ("", "")
    return [
        _of(
            event,
            f"counted for"
            f" {agency or event.event.get('agency') or 'the agency it names'},"
            f" {agent or event.event.get('agent') or 'no agent'}, if that is possible now,"
            " and billed with its month or on the next document.",
        )
        for event in events
    ]


def replace_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The events that replace counted events."""
    return [
        _of(
            event,
            "counted in place of the event that was counted under the"
            " same id. What that event cost is credited, on the next document at the latest.",
            event.code != "conflict",
        )
        for event in events
    ]


def drop_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The events that will never be billed."""
    return [_of(event, "never counted and never billed.") for event in events]


def _of(event: QuarantinedEvent, what: str, blocked: bool = False) -> str:  # noqa: FBT001, FBT002
    """What happens to a held event; others, and blocked ones, stay as they are."""
    if blocked or event.state != QuarantinedEvent.State.HELD:
        return Unchanged(f"{_quantity(event)}: it is not changed.")
    return f"{_quantity(event)}: {what}"


def _quantity(row: QuarantinedEvent) -> str:
    payload = row.event
    return f"{row} ({payload.get('quantity')} of {payload.get('meter')}, {row.state})"
