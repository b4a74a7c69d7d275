"""How a change reads: one sentence, in plain words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from core.periods import ZonePeriod, local_date, zone_on

NOTHING = "nothing"
SECRET = "***"


@dataclass(frozen=True, slots=True)
class Changed:
    """A column and its values before and after, as people read them; "" if empty."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done to a row, ready to be put into words.

    `subject` names the row ("the budget", "the agent Ann Lee (A1)").
    """

    operation: str
    subject: str
    agency: str
    changes: Sequence[Changed]


def sentence_of(deed: Deed) -> str:
    """What somebody did, without who: "changed the budget of SUNRISE: ..."."""
    of = f"{deed.subject} of {deed.agency}" if deed.agency else deed.subject
    if deed.operation == "delete":
        return f"deleted {of}"
    if deed.operation == "insert":
        filled = [f"{c.column} {c.after}" for c in deed.changes if c.after]
        return f"added {of}" + (f": {', '.join(filled)}" if filled else "")
    if not deed.changes:
        return f"changed {of}"
    first, *more = deed.changes
    if not more:
        return f"changed the {first.column} of {of}{_move(first)}"
    parts = ", ".join(f"{c.column}{_move(c)}" for c in deed.changes)
    return f"changed {of}: {parts}"


def _move(change: Changed) -> str:
    if SECRET in {change.before, change.after}:
        return ""
    return f" from {change.before or NOTHING} to {change.after or NOTHING}"


def time_text(at: datetime, zones: Sequence[ZonePeriod]) -> str:
    """An instant in the agency's zone: "Nov 3, 2026, 14:02 EST"."""
    zone = zone_on(zones, local_date(at, zones)) if zones else "UTC"
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%b} {local.day}, {local:%Y, %H:%M %Z}"


SEAT_VERBS = {
    "added": "added a seat for {agent} from {added_on} on",
    "removed": "removed the seat of {agent} from {removed_on} on",
    "handed over": "handed a seat over to {agent} from {held_from} on",
    "transferred": "transferred the seat of {agent}, from {added_on} on",
    "re-opened": "re-opened the seat of {agent}",
    "cancelled": "cancelled the seat of {agent}",
    "re-dated": "changed the dates of the seat of {agent}: from {added_on}",
}


def phrase_of(table: str, operation: str, values: Mapping[str, str]) -> str | None:
    """What is said of a row in words of its own, without who; None: as any row.

    `values` are the columns of the row that was added or changed, as people read them.
    """
    match table, operation:
        case "seats_seatversion", "insert":
            action = values.get("action", "")
            return SEAT_VERBS[action].format_map(values)
        case "seats_supportsession", "insert":
            return "began to act as {user} for up to 60 minutes".format_map(values)
        case "seats_supportsession", "update":
            return "stopped to act as {user}: {ending}".format_map(values)
        case "seats_supportview", "insert":
            verb = "opened" if values["method"] == "GET" else f"sent {values['method']}"
            return f"{verb} {values['path']} ({values['http_status']})"
        case "seats_supportaccess", "insert":
            return "allowed support to make changes until {until}".format_map(values)
        case "seats_supportaccess", "update":
            return "ended the access of support to make changes"
    return None
