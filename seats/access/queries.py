"""Which agencies an owner reaches at an instant: itself and its downline; never upward.

An edge of the tree holds while the local date of its lower agency lies within the edge's
dates, so each edge of a chain is evaluated in the time zone of its lower agency. What one
agency set up for another (a webhook endpoint, a budget, a checkout page) is checked here
whenever it is used.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from django.db import connection
from django.db.models import F, Model, QuerySet

from core.periods import DAY, local_date
from seats.access.domain import ROLES, Action, Extent, Membership, Reach
from seats.agencies.queries.agencies import zones_of

M = TypeVar("M", bound=Model)

# The local date of an agency is at most one day from that of UTC. Edges that may hold on
# one of these dates are walked; those that begin or end around now are checked again.
MAY_HOLD = """
    edge.starts_on <= %(latest)s AND (edge.ends_on IS NULL OR edge.ends_on > %(earliest)s)
    AND edge.id <> ALL(%(not_in_force)s)
"""
BELOW = f"""
    WITH RECURSIVE below(agency_id, edge_id, starts_on, ends_on) AS (
        SELECT %(root)s::bigint, NULL::bigint, NULL::date, NULL::date
        UNION
        SELECT edge.agency_id, edge.id, edge.starts_on, edge.ends_on
        FROM below JOIN seats_upline AS edge ON edge.upline_id = below.agency_id
        WHERE {MAY_HOLD}
    )
    SELECT edge_id, agency_id, starts_on, ends_on, agency_id FROM below
"""
ABOVE = f"""
    WITH RECURSIVE above(origin, agency_id, edge_id, lower_id, starts_on, ends_on) AS (
        SELECT origin, origin, NULL::bigint, NULL::bigint, NULL::date, NULL::date
        FROM unnest(%(agencies)s::bigint[]) AS origin
        UNION
        SELECT above.origin, edge.upline_id, edge.id, edge.agency_id,
               edge.starts_on, edge.ends_on
        FROM above JOIN seats_upline AS edge ON edge.agency_id = above.agency_id
        WHERE {MAY_HOLD}
    )
    SELECT edge_id, lower_id, starts_on, ends_on, agency_id, origin FROM above
"""


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of the tree: from `starts_on` up to, not including, `ends_on`."""

    id: int
    lower_id: int
    starts_on: date
    ends_on: date | None


def holds_on(day: date, starts_on: date, ends_on: date | None) -> bool:
    """Whether an edge with these dates holds on a local date of its lower agency."""
    return starts_on <= day and (ends_on is None or ends_on > day)


def reached_by(owner_id: int, *, now: datetime) -> set[int]:
    """The ids of an agency and of all agencies below it at an instant.

    One query; three while an edge of its branch begins or ends.
    """
    return {row[4] for row in _walk(BELOW, {"root": owner_id}, now)}


def reach_of(memberships: Collection[Membership], *, now: datetime) -> Reach:
    """What a person with these memberships may do at `now`, and where.

    One query for each agency whose downline is reached (three while an edge begins or
    ends); none for supervisors and agents.
    """
    agencies: dict[str, set[int]] = {action: set() for action in Action}
    agents: dict[str, set[int]] = {action: set() for action in Action}
    for member in memberships:
        rights = ROLES[member.role]
        is_wide = Extent.DOWNLINE in rights.values()
        downline = reached_by(member.agency_id, now=now) if is_wide else set()
        for action, extent in rights.items():
            if extent is Extent.DOWNLINE:
                agencies[action] |= downline
            elif extent is Extent.AGENCY:
                agencies[action].add(member.agency_id)
            elif member.agent_id is not None:
                agents[action].add(member.agent_id)
    return Reach(_frozen(agencies), _frozen(agents))


def _frozen(ids: Mapping[str, set[int]]) -> dict[str, frozenset[int]]:
    return {action: frozenset(rows) for action, rows in ids.items()}


def out_of_reach(
    grants: Iterable[tuple[int | None, int | None]], *, now: datetime
) -> set[tuple[int | None, int | None]]:
    """The (owner, agency) pairs of ids whose owner does not reach the agency at `now`.

    The platform, an owner of None, reaches every agency. As many queries as
    `reached_by`, however many pairs; none where every owner is the agency itself.
    """
    foreign = {grant for grant in grants if grant[0] and grant[0] != grant[1]}
    agencies = sorted({agency for _, agency in foreign if agency})
    if not foreign:
        return set()
    rows = _walk(ABOVE, {"agencies": agencies}, now)
    return foreign - {(upper, origin) for *_, upper, origin in rows}


def lock_out_of_reach(rows: QuerySet[M], *, now: datetime) -> list[M]:
    """Lock the rows whose `owner` does not reach their `agency` at `now`.

    Locks in the order of primary keys and loads `agency` and `owner`. Rows without an
    owner, or owned by the agency itself, are left out. Must be called in a transaction;
    repeating is harmless.
    """
    foreign = rows.filter(agency__isnull=False, owner__isnull=False)
    foreign = foreign.exclude(owner=F("agency"))
    grants = out_of_reach(foreign.values_list("owner", "agency").distinct(), now=now)
    if not grants:
        return []
    locked = foreign.select_for_update(of=("self",), no_key=True).order_by("pk")
    candidates = locked.select_related("agency", "owner").filter(
        agency__in={agency_id for _, agency_id in grants}
    )
    return [row for row in candidates if _grant_of(row) in grants]


def _grant_of(row: Any) -> tuple[int, int]:
    return row.owner_id, row.agency_id


def _not_in_force(edges: Collection[Edge], *, now: datetime) -> set[int]:
    zones = zones_of({edge.lower_id for edge in edges}) if edges else {}
    return {
        edge.id
        for edge in edges
        if not holds_on(
            local_date(now, zones[edge.lower_id]), edge.starts_on, edge.ends_on
        )
    }


def _walk(sql: str, params: Mapping[str, Any], now: datetime) -> list[Any]:
    """The rows of a walk along the edges that hold now."""
    utc = now.astimezone(UTC).date()
    bounds = {**params, "earliest": utc - DAY, "latest": utc + DAY}
    rows = _rows(sql, {**bounds, "not_in_force": []})
    edges = {
        Edge(*row[:4])
        for row in rows
        if row[0] and (row[2] >= utc or (row[3] is not None and row[3] <= utc + DAY))
    }
    dead = _not_in_force(edges, now=now)
    return _rows(sql, {**bounds, "not_in_force": list(dead)}) if dead else rows


def _rows(sql: str, params: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Any] = cursor.fetchall()
        return rows
