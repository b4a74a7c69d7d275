"""The effects of actions on quarantined events, shown before staff confirm them."""

from typing import Any

from billing.metering.models import QuarantinedEvent


def release_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The agency and agent that each event is counted for."""
    agency, agent = (data["agency"], data["agent"]) if data else ("", "")
    return [
        f"{_summary(event)} is counted for agency"
        f" {agency or event.event.get('agency') or '(none)'} and"
        f" {_agent_label(agent or event.event.get('agent'))}, unless it is rejected"
        " again. It is billed with its month or on the next document."
        for event in events
    ]


def replace_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The events that replace counted events."""
    return [
        f"{_summary(event)} is counted in place of the counted event with the same id."
        " The charge for that event is credited on the next document at the latest."
        for event in events
    ]


def drop_effects(
    events: list[QuarantinedEvent], data: dict[str, Any] | None
) -> list[str]:
    """The events that will never be billed."""
    return [f"{_summary(event)} is never counted and never billed." for event in events]


def _agent_label(agent: str | None) -> str:
    return f"agent {agent}" if agent else "no agent"


def _summary(row: QuarantinedEvent) -> str:
    payload = row.event
    return f"Event {row} ({payload.get('quantity')} of {payload.get('meter')}, {row.state})"
