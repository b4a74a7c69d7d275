"""What a roster file changes: a verdict for each row, and the changes of all. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from core.parsing.values import parse_date, shown
from seats.roster.domain.roster_files import (
    RosterFile,
    RosterRow,
    RowError,
    entered,
    written,
)

DETAILS = ["name", "email", "npn"]
# Checks the columns of an agent; gives a column and a message for each that is wrong.
Check = Callable[[Mapping[str, str]], Iterator[tuple[str, str]]]


class Verdict(StrEnum):
    """What happens to the agent and seat of a row."""

    ERROR = "error"
    NEW_AGENT = "new agent with a seat"
    NEW_SEAT = "seat added"
    HANDED_OVER = "seat handed over"
    REMOVED = "seat removed"
    REOPENED = "seat re-opened"
    CHANGED = "details changed"
    UNCHANGED = "unchanged"


class AgentOnRecord(NamedTuple):
    """An agent of the agency."""

    id: int
    external_id: str
    name: str
    email: str
    npn: str


class SeatOnRecord(NamedTuple):
    """A seat that is held now or later, with its last holder."""

    id: int
    public_id: str
    agent_id: int
    added_on: date
    removed_on: date | None


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What happens for a row. `row` is None for a seat that the file does not have."""

    row: int | None
    agent: str
    verdict: Verdict
    details: Sequence[str] = ()
    error: RowError | None = None


@dataclass(slots=True)
class RosterPlan:
    """The changes of a file, in terms of ids; new agents by their `external_id`."""

    verdicts: list[RowVerdict] = field(default_factory=list)
    new_agents: list[dict[str, str]] = field(default_factory=list)
    details: dict[int, dict[str, str]] = field(default_factory=dict)
    removals: dict[date, list[int]] = field(default_factory=dict)
    reopened: list[int] = field(default_factory=list)
    hand_overs: dict[int, tuple[str, date]] = field(default_factory=dict)
    additions: dict[tuple[date, date | None], list[str]] = field(default_factory=dict)
    missing: list[SeatOnRecord] = field(default_factory=list)

    @property
    def errors(self) -> list[RowError]:
        return [verdict.error for verdict in self.verdicts if verdict.error]

    @property
    def counts(self) -> Counter[Verdict]:
        return Counter(verdict.verdict for verdict in self.verdicts)

    @property
    def changes(self) -> list[RowVerdict]:
        """The verdicts about what does not stay as it is."""
        return [row for row in self.verdicts if row.verdict is not Verdict.UNCHANGED]

    @property
    def dates(self) -> int:
        """On how many different dates something changes."""
        handed = {on for _, on in self.hand_overs.values()}
        return len({*self.removals, *self.additions, *handed})


class BadCell(Exception):
    """A cell that is wrong."""

    def __init__(self, column: str, code: str, message: str) -> None:
        super().__init__(message)
        self.column, self.code, self.message = column, code, message


def plan_roster(
    file: RosterFile,
    *,
    agents: Sequence[AgentOnRecord],
    seats: Sequence[SeatOnRecord],
    on: date,
    remove_missing: bool,
    check: Check,
) -> RosterPlan:
    """The verdict for each row, as of a date, and what is to be changed for all of them.

    A row means the seat that it names, or else the one that its agent holds, or else a new
    one. Nothing is to be changed while a row is wrong.
    """
    planner = _Planner(agents, seats, on, check, remove_missing=remove_missing)
    return planner.plan(file)


class _Planner:
    """The state of a roster while the rows of a file are judged."""

    def __init__(
        self,
        agents: Sequence[AgentOnRecord],
        seats: Sequence[SeatOnRecord],
        on: date,
        check: Check,
        *,
        remove_missing: bool,
    ) -> None:
        self.on, self.check, self.remove_missing = on, check, remove_missing
        self.agents = {agent.id: agent for agent in agents}
        self.by_name = {written(agent.external_id): agent for agent in agents}
        self.by_name |= {agent.external_id: agent for agent in agents}
        self.seats = {seat.public_id: seat for seat in seats}
        self.held: dict[int, list[SeatOnRecord]] = {}
        for seat in seats:
            self.held.setdefault(seat.agent_id, []).append(seat)
        self.seats_in_file: dict[int, int] = {}
        self.agents_in_file: dict[str, int] = {}
        self.named: set[str] = set()
        self.outcome = RosterPlan()

    def plan(self, file: RosterFile) -> RosterPlan:
        self.named = {row.cells.get("seat", "").lower() for row in file.rows}
        for error in file.errors:
            self._add(RowVerdict(error.row, "", Verdict.ERROR, (error.message,), error))
        for row in file.rows:
            try:
                self._add(self._verdict(row))
            except BadCell as bad:
                error = RowError(row.number, bad.column, bad.code, bad.message)
                agent = row.cells["agent"]
                texts = (bad.message,)
                self._add(RowVerdict(row.number, agent, Verdict.ERROR, texts, error))
        if not self.outcome.errors:
            self._add_missing()
        self.outcome.verdicts.sort(key=lambda verdict: verdict.row or 10**9)
        return self.outcome

    def _add(self, verdict: RowVerdict) -> None:
        self.outcome.verdicts.append(verdict)

    def _verdict(self, row: RosterRow) -> RowVerdict:
        name = row.cells["agent"]
        if not name:
            raise BadCell("agent", "agent_missing", "Enter the dialer id of the agent.")
        seat = self._seat_named(row)
        holder = self.agents[seat.agent_id] if seat else None
        if holder and written(holder.external_id) == name:
            agent: AgentOnRecord | None = holder
        else:
            agent = self.by_name.get(name) or self.by_name.get(entered(name))
            self._require_once(self.agents_in_file, name, row, "agent")
        seat = seat or self._seat_held(agent)
        if seat is None:
            return self._new_seat(row, agent)
        self._require_once(self.seats_in_file, seat.id, row, "seat")
        return self._kept_seat(row, seat, agent)

    def _seat_named(self, row: RosterRow) -> SeatOnRecord | None:
        text = row.cells.get("seat", "").lower()
        if not text:
            return None
        if text not in self.seats:
            message = (
                f"The agency has no seat {shown(text)} that is held now. Leave the cell"
                " empty for a new seat."
            )
            raise BadCell("seat", "unknown_seat", message)
        return self.seats[text]

    def _seat_held(self, agent: AgentOnRecord | None) -> SeatOnRecord | None:
        held = self.held.get(agent.id, []) if agent else []
        if len(held) > 1:
            message = (
                "The agent has several seats, now and later. Enter which is meant."
            )
            raise BadCell("seat", "seat_missing", message)
        return held[0] if held else None

    def _require_once(
        self, rows: dict[object, int] | dict[str, int] | dict[int, int],
        key: str | int, row: RosterRow, column: str,
    ) -> None:  # fmt: skip
        earlier = rows.setdefault(key, row.number)  # type: ignore[arg-type]
        if earlier != row.number:
            message = f"Row {earlier} has the same {column}. Keep one of them."
            raise BadCell(column, f"duplicate_{column}", message)

    def _new_seat(self, row: RosterRow, agent: AgentOnRecord | None) -> RowVerdict:
        added_on = self._date(row, "added_on") or self.on
        removed_on = self._date(row, "removed_on")
        until = f" until {removed_on}" if removed_on else ""
        details = [f"from {added_on}{until}"]
        if removed_on and removed_on <= added_on:
            message = f"The date is not after {added_on}. Choose a later one."
            raise BadCell("removed_on", "removed_too_early", message)
        if agent is None:
            name = self._new_agent(row)
            verdict = Verdict.NEW_AGENT
        else:
            name, verdict = agent.external_id, Verdict.NEW_SEAT
            details += self._change_details(row, agent)
        self.outcome.additions.setdefault((added_on, removed_on), []).append(name)
        return RowVerdict(row.number, name, verdict, details)

    def _kept_seat(
        self, row: RosterRow, seat: SeatOnRecord, agent: AgentOnRecord | None
    ) -> RowVerdict:
        added_on = self._date(row, "added_on")
        if added_on and added_on != seat.added_on:
            message = (
                f"The seat begins on {seat.added_on}, which stays. To begin on another"
                " date, cancel it and add a new one."
            )
            raise BadCell("added_on", "added_on_fixed", message)
        verdicts = [Verdict.UNCHANGED]
        details: list[str] = []
        end = self._end(row, seat, verdicts, details)
        if agent is None or agent.id != seat.agent_id:
            self._require_free(agent, seat)
        changes = self._change_details(row, agent) if agent else []
        name = agent.external_id if agent else self._new_agent(row)
        if changes:
            verdicts.append(Verdict.CHANGED)
        if agent is None or agent.id != seat.agent_id:
            earlier = self.agents[seat.agent_id].name
            day = max(self.on, seat.added_on)
            details.append(f"from {earlier}, as of {day}; the bill stays the same")
            verdicts.append(Verdict.HANDED_OVER)
            self.outcome.hand_overs[seat.id] = name, day
        if end:
            end()
        order = list(Verdict)
        return RowVerdict(
            row.number, name, min(verdicts, key=order.index), [*details, *changes]
        )

    def _end(
        self,
        row: RosterRow,
        seat: SeatOnRecord,
        verdicts: list[Verdict],
        details: list[str],
    ) -> Callable[[], None] | None:
        """What changes the end of a seat, if the file has another than the roster."""
        if "removed_on" not in row.cells:
            return None
        removed_on = self._date(row, "removed_on")
        if removed_on == seat.removed_on:
            return None
        if removed_on is None:
            verdicts.append(Verdict.REOPENED)
            details.append(f"no longer removed on {seat.removed_on}")
            return lambda: self.outcome.reopened.append(seat.id)
        if removed_on < seat.added_on:
            message = f"The seat begins on {seat.added_on}. Choose that date or later."
            raise BadCell("removed_on", "removed_too_early", message)
        verdicts.append(Verdict.REMOVED)
        details.append(f"as of {removed_on}")
        return lambda: self._remove(seat, removed_on)

    def _remove(self, seat: SeatOnRecord, on: date) -> None:
        self.outcome.removals.setdefault(on, []).append(seat.id)

    def _require_free(self, agent: AgentOnRecord | None, seat: SeatOnRecord) -> None:
        """Refuse a holder whose own seat neither goes to another nor is removed."""
        for other in self.held.get(agent.id, []) if agent else []:
            if other.id != seat.id and not (
                other.public_id in self.named or self.remove_missing
            ):
                message = (
                    f"The agent holds a seat since {other.added_on}. Give that to another"
                    " agent or remove it in the same file."
                )
                raise BadCell("agent", "agent_has_a_seat", message)

    def _new_agent(self, row: RosterRow) -> str:
        columns = {name: entered(row.cells.get(name, "")) for name in DETAILS}
        columns = {"external_id": entered(row.cells["agent"]), **columns}
        if not columns["name"]:
            message = f"There is no agent {shown(columns['external_id'])}. Enter a name to add it."
            raise BadCell("name", "name_missing", message)
        self._require_valid(columns)
        self.outcome.new_agents.append(columns)
        return columns["external_id"]

    def _change_details(self, row: RosterRow, agent: AgentOnRecord) -> list[str]:
        """Plan what is different about an agent; sentences about it."""
        changes = {
            name: entered(cell)
            for name in DETAILS
            if (cell := row.cells.get(name)) is not None
            and cell != written(getattr(agent, name))
        }
        if "name" in changes and not changes["name"]:
            raise BadCell("name", "name_missing", "Enter a name.")
        self._require_valid(changes)
        if changes:
            self.outcome.details[agent.id] = changes
        return [
            f"{name} from {getattr(agent, name) or 'empty'} to {value or 'empty'}"
            for name, value in changes.items()
        ]

    def _require_valid(self, columns: Mapping[str, str]) -> None:
        for name, value in columns.items():
            column = "agent" if name == "external_id" else name
            if not value.isprintable():
                message = "The cell has characters that cannot be seen. Type it again."
                raise BadCell(column, "bad_string", message)
        for name, message in self.check(columns):
            column = "agent" if name == "external_id" else name
            raise BadCell(column, f"bad_{column}", message)

    def _date(self, row: RosterRow, column: str) -> date | None:
        text = row.cells.get(column, "")
        try:
            return parse_date(text) if text else None
        except ValueError as error:
            raise BadCell(column, "bad_date", str(error)) from error

    def _add_missing(self) -> None:
        """Seats that no row means: removed if that is wanted, or else left alone."""
        for seat in self.seats.values():
            if seat.id in self.seats_in_file:
                continue
            self.outcome.missing.append(seat)
            if not self.remove_missing:
                continue
            on = max(self.on, seat.added_on)
            if seat.removed_on is None or seat.removed_on > on:
                self._remove(seat, on)
                name = self.agents[seat.agent_id].external_id
                details = [f"as of {on}, because the file does not have it"]
                self._add(RowVerdict(None, name, Verdict.REMOVED, details))
