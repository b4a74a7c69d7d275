"""Add agents with their seats, and change what is on record of an agent."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from core.parsing.values import shown
from seats.agencies.models import Agency
from seats.roster.models import Agent
from seats.roster.services.refusals import AgentExists, AgentUsed
from seats.roster.services.seats import add_agents, add_seats
from seats.signals import agents_used

DETAILS = ["external_id", "name", "email", "npn"]


def last_uses(
    agent_ids: Collection[int], *, since: date | None = None
) -> dict[int, date]:
    """The last date on which each agent used anything; those that did not are left out."""
    if not agent_ids:
        return {}
    used: dict[int, date] = {}
    responses: Sequence[tuple[Any, Any]] = agents_used.send(
        Agent, agents=agent_ids, since=since
    )
    for _, response in responses:
        used |= response
    return used


def add_agents_with_seats(
    *,
    agency: Agency,
    agents: Sequence[Agent],
    on: date | None,
    actor: str,
    now: datetime,
    until: date | None = None,
    reason: str = "",
) -> list[Agent]:
    """Save new agents of an agency, and add a seat for each from a date on, if any.

    All or none; `until` as in `add_seats`. Raises AgentExists, and what that raises.
    """
    by: Any = {"actor": actor, "now": now, "reason": reason}
    with transaction.atomic():
        added = add_agents(agency=agency, agents=agents, now=now)
        if on is not None:
            add_seats(agents=added, on=on, until=until, **by)
    return added


def change_agents(*, changes: Mapping[int, Mapping[str, str]]) -> list[Agent]:
    """Change details of agents, by id: `external_id`, `name`, `email`, `npn`.

    All or none; in a constant number of statements; safe to repeat. An `external_id` that
    usage names stays. Raises AgentUsed, AgentExists.
    """
    with transaction.atomic():
        rows = Agent.objects.select_for_update(no_key=True).filter(pk__in=changes)
        agents = list(rows.order_by("pk"))
        renamed = [
            agent
            for agent in agents
            if changes[agent.pk].get("external_id", agent.external_id)
            != agent.external_id
        ]
        _require_unused(renamed)
        for agent in agents:
            for name, value in changes[agent.pk].items():
                setattr(agent, name, value)
        try:
            with transaction.atomic():
                Agent.objects.bulk_update(agents, DETAILS)
        except IntegrityError as error:
            if "one_agent_per_external_id" not in str(error):
                raise
            ids = ", ".join(shown(agent.external_id) for agent in renamed)
            raise AgentExists(
                f"Another agent has the dialer id {ids}.", field="external_id"
            ) from error
    return agents


def _require_unused(agents: Sequence[Agent]) -> None:
    used = last_uses({agent.pk for agent in agents})
    for agent in agents:
        if agent.pk in used:
            raise AgentUsed(
                f"Calls name the agent {shown(agent.external_id)}, last on"
                f" {used[agent.pk]}, so the dialer id stays.",
                field="external_id",
            )
