"""The effects of actions on quarantined events, shown before staff confirm them."""

from typing import Any

from billing.metering.models import QuarantinedEvent
from core.admin.actions import Unchanged


def release_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The agency and agent that each event is counted for."""
    agency, agent = (data["agency"], data["agent"]) if data else ("", "")
    return [
        _effect(
            event,
            f"is counted for agency"
            f" {agency or event.event.get('agency') or '(none)'} and"
            f" {_agent_label(agent or event.event.get('agent'))}, unless it is rejected"
            " again. It is billed with its month or on the next document.",
        )
        for event in events
    ]


def replace_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The events that replace counted events."""
    return [
        _effect(
            event,
            "is counted in place of the counted event with the same id. The charge for"
            " that event is credited on the next document at the latest.",
            blocked=event.code != "conflict",
        )
        for event in events
    ]


def drop_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The events that will never be billed."""
    return [
        _effect(event, "is not counted or billed, unless it is sent again.")
        for event in events
    ]


def _effect(event: QuarantinedEvent, effect: str, *, blocked: bool = False) -> str:
    """The effect on a held event; other events, and blocked ones, do not change."""
    if blocked or event.state != QuarantinedEvent.State.HELD:
        return Unchanged(f"{_summary(event)} does not change.")
    return f"{_summary(event)} {effect}"


def _agent_label(agent: str | None) -> str:
    return f"agent {agent}" if agent else "no agent"


def _summary(row: QuarantinedEvent) -> str:
    payload = row.event
    return f"Event {row} ({payload.get('quantity')} of {payload.get('meter')}, {row.state})"
