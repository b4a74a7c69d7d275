"""Make the roster of an agency what a file says: all of it, or nothing."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet

from core.errors import Kind, Refusal
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import local_dates
from seats.cutoffs.services import stamp_facts
from seats.roster.domain.roster_files import COLUMNS, BadRosterFile, RosterFile
from seats.roster.domain.roster_plans import (
    AgentOnRecord,
    RosterPlan,
    SeatOnRecord,
    plan_roster,
)
from seats.roster.models import Agent, Seat
from seats.roster.services.agents import change_agents
from seats.roster.services.seats import (
    add_agents,
    add_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
)

MOST_DATES = 50  # on which the rows of a file change something
WITHOUT_REASON = "Roster file"
NPN = re.compile(r"[0-9]{0,10}")


class RosterChanged(Refusal):
    """The roster, or what the file does to it, changed since it was looked at.

    Look at the new preview, and confirm that.
    """

    code = "roster_changed"
    kind = Kind.CONFLICT


class RosterRowsWrong(Refusal):
    """Rows of the file are wrong, so nothing was changed.

    Correct the rows that the preview lists, and upload the file again.
    """

    code = "roster_rows_wrong"


def roster_plan(
    *,
    agency: Agency,
    file: RosterFile,
    on: date,
    remove_missing: bool,
    now: datetime,
) -> RosterPlan:
    """What a file would change as of a date, without changing it; in three queries.

    Raises BadRosterFile for more than MOST_DATES dates of changes.
    """
    seats = held_seats(agency, now=now).values_list(
        "id", "public_id", "agent_id", "added_on", "removed_on"
    )
    agents = Agent.objects.filter(agency=agency).order_by("pk")
    plan = plan_roster(
        file,
        agents=[
            AgentOnRecord(*row)
            for row in agents.values_list("id", "external_id", "name", "email", "npn")
        ],
        seats=[SeatOnRecord(row[0], str(row[1]), *row[2:]) for row in seats],
        on=on,
        remove_missing=remove_missing,
        check=_agent_errors,
    )
    if plan.dates > MOST_DATES:
        raise BadRosterFile(
            f"The file changes seats on {plan.dates} different dates. Use up to"
            f" {MOST_DATES} in a file."
        )
    return plan


def held_seats(agency: Agency, *, now: datetime) -> QuerySet[Seat]:
    """The seats of an agency that are held today or later, in the order of a roster."""
    today = local_dates([agency.pk], now=now)[agency.pk]
    seats = Seat.objects.filter(agency=agency, cancelled=False)
    ending = Q(removed_on__isnull=True) | Q(removed_on__gt=today)
    return seats.filter(ending).order_by("agent__name", "pk")


def roster_rows(agency: Agency, *, now: datetime) -> Iterator[list[object]]:
    """The column names and the seats held today or later, as a file that is read back."""
    yield list(COLUMNS)
    rows = held_seats(agency, now=now).values_list(
        "public_id", "agent__external_id", "agent__name", "agent__email", "agent__npn",
        "added_on", "removed_on",
    )  # fmt: skip
    for row in rows:
        yield list(row)


def digest_of(plan: RosterPlan, **about: object) -> str:
    """Of what somebody saw of a plan; nothing else is confirmed with it."""
    rows = [
        [row.row, row.agent, str(row.verdict), list(row.details)]
        for row in plan.verdicts
    ]
    text = json.dumps([rows, sorted(about.items())], default=str)
    return sha256(text.encode()).hexdigest()


def apply_roster(
    *,
    agency: Agency,
    file: RosterFile,
    on: date,
    remove_missing: bool,
    seen: str | None,
    actor: str,
    now: datetime,
    reason: str = "",
) -> RosterPlan:
    """Carry a file out as of a date; all or nothing.

    `seen` is the digest of the plan that was confirmed (None: of any). A second call with
    the same one is refused. In a number of statements that depends on the dates alone.
    Raises RosterChanged, RosterRowsWrong, BadRosterFile, and what the changes raise.
    """
    with transaction.atomic():
        stamp_facts([agency.pk])
        Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
        list(held_seats(agency, now=now).order_by("pk").select_for_update(of=("self",)))
        plan = roster_plan(
            agency=agency, file=file, on=on, remove_missing=remove_missing, now=now
        )
        about = {"agency": agency.pk, "on": on, "remove_missing": remove_missing}
        if seen is not None and digest_of(plan, **about) != seen:
            raise RosterChanged(
                "Nothing has changed yet: the roster is not what it was when you looked."
                " Check what will happen now, and confirm it if it is right."
            )
        if plan.errors:
            raise RosterRowsWrong(
                f"{len(plan.errors)} rows are wrong, so nothing was changed."
            )
        by = {"actor": actor, "now": now, "reason": reason or WITHOUT_REASON}
        _carry_out(agency, plan, now, by)
    return plan


def _carry_out(
    agency: Agency, plan: RosterPlan, now: datetime, by: Mapping[str, Any]
) -> None:
    if plan.new_agents:
        new = [Agent(**columns) for columns in plan.new_agents]
        add_agents(agency=agency, agents=new, now=now)
    if plan.details:
        change_agents(changes=plan.details)
    ids = [*plan.reopened, *plan.hand_overs]
    ids += [pk for seats in plan.removals.values() for pk in seats]
    seats = Seat.objects.select_related("agency", "agent").in_bulk(ids)
    for day, removed in sorted(plan.removals.items()):
        remove_seats(seats=[seats[pk] for pk in removed], on=day, **by)
    if plan.reopened:
        reopen_seats(seats=[seats[pk] for pk in plan.reopened], **by)
    names = {name for name, _ in plan.hand_overs.values()}
    names |= {name for added in plan.additions.values() for name in added}
    rows = Agent.objects.filter(agency=agency, external_id__in=names)
    agents = {row.external_id: row for row in rows.select_related("agency")}
    moves: dict[date, list[tuple[Seat, Agent]]] = {}
    for pk, (name, day) in plan.hand_overs.items():
        moves.setdefault(day, []).append((seats[pk], agents[name]))
    for day, handed in sorted(moves.items()):
        hand_over_seats(moves=handed, on=day, **by)
    for (day, until), added in plan.additions.items():
        holders = [agents[name] for name in added]
        add_seats(agents=holders, on=day, until=until, **by)


def _agent_errors(columns: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the model says of the columns of an agent."""
    rest = {field.name for field in Agent._meta.fields} - columns.keys()
    try:
        Agent(**columns).clean_fields(exclude=rest)
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            yield name, " ".join(messages)
    if not NPN.fullmatch(
        columns.get("npn", "")
    ):  # the constraint would ask the database
        yield "npn", "An NPN has up to 10 digits and nothing else."
