"""What each agent costs in a month: the payers' amounts, split by seat days and usage."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import connection

from billing.invoicing.domain.bill_changes import LATE, SEATS, TAX, BillItem
from billing.invoicing.queries.sql import AGENT_USE
from core.money import allocate
from core.periods import next_month
from core.postgres.arrays import array_text
from seats.models import Agent

NOBODY = "No agent"
OTHERS = "Other agencies that you pay for"
MOST_USES = 20_000


@dataclass(slots=True)
class AgentCost:
    """The part of an agent, or of NOBODY or OTHERS, of a month's seats and usage."""

    name: str
    agency_id: int | None
    seats: Decimal = Decimal(0)
    usage: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        return self.seats + self.usage


def agent_costs(
    items: Sequence[BillItem],
    *,
    agency_ids: Collection[int],
    month: date,
    currency: str,
) -> list[AgentCost] | None:
    """The items of the month itself by agent, the most expensive first.

    The seats of an agency are split by the seat days of their holders, a meter by the
    billable usage of its agents, to the minor unit by largest remainder; so the costs
    sum to the items, without late lines and tax. Only agents of these agencies have
    names. None if there are too many agents to list. Two queries.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            AGENT_USE,
            {
                "agencies": array_text(agency_ids),
                "month": month,
                "end": next_month(month),
                "seats": SEATS,
                "limit": MOST_USES + 1,
            },
        )
        rows = cursor.fetchall()
    if len(rows) > MOST_USES:
        return None
    uses: dict[tuple[int, str], list[tuple[int | None, Decimal]]] = {}
    for agency_id, thing, agent_id, quantity in rows:
        uses.setdefault((agency_id, thing), []).append((agent_id, quantity))
    names = _names({row[2] for row in rows})
    costs: dict[tuple[int | None, int | None], AgentCost] = {}
    for item in items:
        if item.thing in {LATE, TAX} or not item.amount:
            continue
        is_own = item.agency_id in agency_ids
        agency_id = item.agency_id if is_own else None
        users = uses.get((item.agency_id, item.thing)) or [(None, Decimal(1))]
        parts = allocate(item.amount, [quantity for _, quantity in users], currency)
        for (agent_id, _), part in zip(users, parts, strict=True):
            name = names.get(agent_id, NOBODY) if is_own else OTHERS
            cost = costs.setdefault((agency_id, agent_id), AgentCost(name, agency_id))
            if item.thing == SEATS:
                cost.seats += part
            else:
                cost.usage += part
    return sorted(costs.values(), key=lambda cost: (-cost.total, cost.name))


def _names(agent_ids: Collection[int | None]) -> dict[int | None, str]:
    agents = Agent.objects.filter(pk__in={pk for pk in agent_ids if pk is not None})
    return {agent.pk: str(agent) for agent in agents}
