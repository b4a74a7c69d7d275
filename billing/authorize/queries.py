"""Whose key it is and everything that decides whether to dial, in one statement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from billing.authorize.verdicts import Exceeded, Held, Known, Verdict, judge
from seats.access import holds_on
from seats.arrays import text_array
from seats.keys.models import ApiKey
from seats.periods import ZonePeriod, local_date

# A function of the database, which keeps its plan as long as the connection lives.
ASK = "SELECT facts_for_dialing(%s, %s, %s, %s, %s)::text"


@dataclass(frozen=True, slots=True)
class Answer:
    """The key as far as it was read; no verdict on an agency that it does not reach."""

    key: ApiKey
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class EdgeAbove:
    """An edge that may hold now, on the way up; with the zones of its lower agency where
    it begins or ends around now."""

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
class Facts:
    """What the function tells. No zones: no such agency. `edges` lead up from the agency,
    where somebody above it matters: the owner of the key, or of a budget that was passed.
    On the dates of `carried_on` a payer that dunning suspended carries all charges."""

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
    held: list[Held] | None
    exceeded: list[Exceeded] | None


_facts = msgspec.json.Decoder(Facts)


def may_dial(*, digest: str, code: str, agent: str, now: datetime) -> Answer | None:
    """Whether an agent of an agency (by code; the key's own without) may dial now.

    The key is known by its digest; None where none is valid.
    """
    meters = text_array(settings.BILLING["DIALING_METERS"])
    told = _ask(digest, now, code, agent, meters)
    if told is None:
        return None
    facts = _facts.decode(told)
    read = {"id": facts.key, "scopes": facts.scopes, "last_used_at": facts.used_at}
    key = ApiKey.from_db(connection.alias, read.keys(), read.values())
    return Answer(key, _verdict(facts, now))


def _verdict(facts: Facts, now: datetime) -> Verdict | None:
    if facts.zones is None or facts.agency is None:
        return None
    reaching = {None, *_above(facts.agency, facts.edges or [], now)}
    if facts.owner not in reaching:
        return None
    today = local_date(now, facts.zones)
    known = Known(
        agent=facts.agent,
        suspended=facts.suspended or today in facts.carried_on,
        held=facts.held or [],
        exceeded=[
            budget for budget in facts.exceeded or [] if budget.owner in reaching
        ],
    )
    return judge(known, today=today)


def _above(agency: int, edges: Sequence[EdgeAbove], now: datetime) -> set[int]:
    """An agency and all above it, along the edges that hold now."""
    holding = [edge for edge in edges if edge.holds(now)]
    above: set[int] = set()
    reached = {agency}
    while reached:
        above |= reached
        reached = {edge.upper for edge in holding if edge.lower in reached} - above
    return above


def _ask(*told: str | datetime) -> str | None:
    """Asked again where the connection turns out to be dead.

    It only reads, so that is as safe as Django's look at the connection before it.
    """
    connection.health_check_done = True  # type: ignore[attr-defined]
    try:
        return _told(told)
    except (OperationalError, InterfaceError):
        refused = connection.connection is None
        if refused or connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return _told(told)


def _told(told: Sequence[str | datetime]) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(ASK, told)
        (facts,) = cursor.fetchone()
    return None if facts is None else str(facts)
