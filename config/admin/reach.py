"""The reach of a person in the terms of the database's policies."""

from billing.accounts.queries import agencies_paid_for
from seats.access.domain import KINDS, Reach
from seats.members.models import User
from seats.roster.models import Agent


def row_kinds_of(user: User, reach: Reach) -> dict[str, frozenset[int]]:
    """The ids within reach for each kind of rows, for `core.postgres.roles`.

    Beyond those of `Reach.kinds`: the person, and the agencies whose names stand on rows
    within reach. Those are of a member who is an agent, and of agencies that a payer
    within reach pays for.
    """
    kinds = reach.kinds()
    names: frozenset[int] = frozenset().union(*(kinds[kind] for kind in KINDS))
    if kinds["agents"]:
        agents = Agent.objects.filter(pk__in=kinds["agents"])
        names |= set(agents.values_list("agency", flat=True))
    if kinds["money"]:
        names |= agencies_paid_for(kinds["money"])
    return {**kinds, "names": names, "user": frozenset({user.pk})}
