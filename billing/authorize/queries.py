"""Reads an API key and all that decides whether an agent may dial, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from billing.authorize.domain.decision import (
    AgentState,
    AuthorizeDecision,
    ExceededBudget,
    HeldSeat,
    judge,
)
from core.periods import ZonePeriod, local_date
from core.postgres.arrays import text_array
from seats.access.queries import holds_on
from seats.api_keys.models import ApiKey

# A database function, whose plan is kept for the life of the connection.
QUERY = "SELECT facts_for_dialing(%s, %s, %s, %s, %s)::text"


@dataclass(frozen=True, slots=True)
class AuthorizeLookup:
    """The API key, and the decision; None for an agency the key does not reach."""

    key: ApiKey
    decision: AuthorizeDecision | None


@dataclass(frozen=True, slots=True)
class EdgeAbove:
    """An upline edge that may hold now. `zones` are those of the lower agency, given
    only where the edge begins or ends around now."""

    upper: int
    lower: int
    starts_on: date
    ends_on: date | None
    zones: list[ZonePeriod] | None

    def holds(self, now: datetime) -> bool:
        return not self.zones or holds_on(
            local_date(now, self.zones), self.starts_on, self.ends_on
        )


@dataclass(frozen=True, slots=True)
class DialingFacts:
    """What the database function returns. `zones` is None for an unknown agency.

    `edges` lead up from the agency, given only where an upline matters: the owner of
    the key, or of an exceeded budget. On the dates in `carried_on`, a payer that is
    suspended by dunning carries all charges.
    """

    key: int
    scopes: list[str]
    used_at: datetime | None
    owner: int | None
    agency: int | None
    edges: list[EdgeAbove] | None
    zones: list[ZonePeriod] | None
    agent: bool
    suspended: bool
    carried_on: list[date]
    held: list[HeldSeat] | None
    exceeded: list[ExceededBudget] | None


_decoder = msgspec.json.Decoder(DialingFacts)


def may_dial(
    *, digest: str, code: str, agent: str, now: datetime
) -> AuthorizeLookup | None:
    """Decide whether an agent may dial now; None if no valid key has this digest.

    `code` names the agency; empty means the key's own. Changes nothing.
    """
    meters = text_array(settings.BILLING["DIALING_METERS"])
    row = _fetch_with_retry(digest, now, code, agent, meters)
    if row is None:
        return None
    facts = _decoder.decode(row)
    fields = {"id": facts.key, "scopes": facts.scopes, "last_used_at": facts.used_at}
    key = ApiKey.from_db(connection.alias, fields.keys(), fields.values())
    return AuthorizeLookup(key, _decision(facts, now))


def _decision(facts: DialingFacts, now: datetime) -> AuthorizeDecision | None:
    if facts.zones is None or facts.agency is None:
        return None
    reaching = {None, *_above(facts.agency, facts.edges or [], now)}
    if facts.owner not in reaching:
        return None
    today = local_date(now, facts.zones)
    state = AgentState(
        agent_exists=facts.agent,
        suspended=facts.suspended or today in facts.carried_on,
        held_seats=facts.held or [],
        exceeded_budgets=[
            budget for budget in facts.exceeded or [] if budget.owner in reaching
        ],
    )
    return judge(state, today=today)


def _above(agency: int, edges: Sequence[EdgeAbove], now: datetime) -> set[int]:
    """The ids of an agency and all its uplines, along the edges that hold now."""
    holding = [edge for edge in edges if edge.holds(now)]
    above: set[int] = set()
    reached = {agency}
    while reached:
        above |= reached
        reached = {edge.upper for edge in holding if edge.lower in reached} - above
    return above


def _fetch_with_retry(*params: str | datetime) -> str | None:
    """Fetch the facts, once more if the connection turns out to be dead.

    The query only reads, so a retry is as safe as Django's health check, which it
    replaces to save a round trip.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return _fetch(params)
    except (OperationalError, InterfaceError):
        refused = connection.connection is None
        if refused or connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return _fetch(params)


def _fetch(params: Sequence[str | datetime]) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(QUERY, params)
        (facts,) = cursor.fetchone()
    return None if facts is None else str(facts)
