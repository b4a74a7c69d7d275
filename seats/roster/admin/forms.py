"""The forms in which members change agents and seats; they offer what is within reach."""

import copy
import re
from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import ReasonForm
from core.admin.dates import DateField, with_initial_dates
from core.admin.scoped import ScopedChoice, ScopedSelect, reach_in
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import local_dates
from seats.roster.models import Agent, Seat
from seats.roster.services.agents import DETAILS, last_uses

MOST_MOVES = 50  # fields of one page
MOST_AGENTS = 200
F = TypeVar("F", bound=forms.Form)
DIGITS = re.compile(r"[0-9]{1,9}")
COLUMNS = ["external_id", "name", "email", "npn"]


class NoteForm(ReasonForm):
    """A note for the history, which may be left out."""

    reason = forms.CharField(
        label="Note",
        max_length=500,
        required=False,
        help_text="Optional. It is kept in the history.",
    )


class DatedForm(NoteForm):
    """From which date on, and a note."""

    on = DateField(label="Date")
    field_order = ["on", "reason"]


def _until() -> DateField:
    """The field of a planned removal."""
    return DateField(
        label="Remove on",
        required=False,
        help_text=(
            "For a season: the first date that is not billed. Leave it empty to keep the"
            " seats until you remove them."
        ),
    )


class SeasonForm(DatedForm):
    """From which date on, until which date if there is an end, and a note."""

    until = _until()
    field_order = ["on", "until", "reason"]


class UndoForm(NoteForm):
    """A note, and the number of the change that is meant, if a page named it."""

    version = forms.CharField(required=False, widget=forms.HiddenInput())

    def clean_version(self) -> int | None:
        text = str(self.cleaned_data["version"])
        return int(text) if DIGITS.fullmatch(text) else None


class NewAgents(list[dict[str, str]]):
    """The columns of agents that were entered, one per line."""

    def __str__(self) -> str:
        return ", ".join(row["external_id"] for row in self)

    def unsaved(self) -> list[Agent]:
        """New instances, as a preview leaves keys in those that it saved."""
        return [Agent(**row) for row in self]


class AgentsForm(NoteForm):
    """New agents, each with a seat if a date is given."""

    agents = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=(
            "One agent per line: dialer id, name, e-mail, NPN. The last two may be left"
            " out. Commas or tabs stand between them."
        ),
    )
    on = DateField(
        label="Seats from",
        required=False,
        help_text="Leave it empty to add the agents without seats.",
    )
    until = _until()
    field_order = ["agency", "agents", "on", "until", "reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("until") and not cleaned.get("on"):
            self.add_error("on", "Enter the date from which the seats are billed.")
        return cleaned

    def clean_agents(self) -> NewAgents:
        lines = str(self.cleaned_data["agents"]).splitlines()
        rows = [_row(line) for line in lines if line.strip()]
        if len(rows) > MOST_AGENTS:
            raise ValidationError(
                f"You entered {len(rows)} agents. Enter up to {MOST_AGENTS} at a time."
            )
        return NewAgents(rows)


def _row(line: str) -> dict[str, str]:
    cells = [cell.strip() for cell in line.split("\t" if "\t" in line else ",")]
    if not 2 <= len(cells) <= len(COLUMNS):
        raise ValidationError(
            f"{line.strip()!r} has {len(cells)} columns. Enter an id and a name, and"
            " perhaps an e-mail address and an NPN."
        )
    row = dict(zip(COLUMNS, cells, strict=False))
    agent = Agent(**row)
    rest = {field.name for field in Agent._meta.fields} - set(COLUMNS)
    try:
        agent.clean_fields(exclude=rest)
        agent.validate_constraints(exclude=rest)
    except ValidationError as error:
        raise ValidationError(
            f"{line.strip()!r}: {' '.join(error.messages)}"
        ) from error
    return row


def plain_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[NoteForm]:
    """A form with a note alone."""
    return NoteForm


def reason_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[ReasonForm]:
    """A form with a reason, which is required."""
    return ReasonForm


def dated_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[DatedForm]:
    """A form with a date; at first today."""
    return _dated(DatedForm, rows)


def season_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[SeasonForm]:
    """A form with a date, at first today, and perhaps an end."""
    return _dated(SeasonForm, rows)


def undo_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[UndoForm]:
    """A form that keeps which change the page named that the person came from."""
    field = forms.CharField(
        required=False,
        widget=forms.HiddenInput(),
        initial=request.POST.get("version", ""),
    )
    return type("UndoForm", (UndoForm,), {"version": field})


class AgentForm(NoteForm):
    """What is on record of an agent."""

    external_id = forms.CharField(label="Dialer id", max_length=64)
    name = forms.CharField(max_length=200)
    email = forms.EmailField(label="E-mail", required=False)
    npn = forms.CharField(
        label="NPN",
        required=False,
        max_length=10,
        validators=[RegexValidator("^[0-9]*$", "Enter up to 10 digits.")],
    )
    field_order = ["external_id", "name", "email", "npn", "reason"]


def agent_form(page: Any, request: HttpRequest, agents: list[Agent]) -> type[AgentForm]:
    """A form with what is on record; the dialer id only while no call names it."""
    fields: dict[str, Any] = {}
    for name in DETAILS:
        fields[name] = copy.deepcopy(AgentForm.base_fields[name])
        fields[name].initial = getattr(agents[0], name)
    if used := last_uses({agents[0].pk}):
        day = used[agents[0].pk]
        fields["external_id"].disabled = True
        fields["external_id"].help_text = f"Calls name it, last on {day}, so it stays."
    return type("AgentForm", (AgentForm,), fields)


def hand_over_form(page: Any, request: HttpRequest, seats: list[Seat]) -> Any:
    """A form with a new holder for each seat, of the seat's own agency."""
    return _moves_form(page, request, seats, Action.HAND_OVER_SEATS, "agency")


def transfer_form(page: Any, request: HttpRequest, seats: list[Seat]) -> Any:
    """A form with a new holder for each seat, of another agency within reach."""
    return _moves_form(page, request, seats, Action.CHANGE_SEATS, "not_agency")


def agents_form(page: Any, request: HttpRequest, agencies: list[Any]) -> Any:
    """A form for new agents of an agency within reach, which it asks for if several are.

    `agencies` has the one that was entered, or any while none was.
    """
    (agency,) = agencies
    reach = reach_in(request)
    offered = page.admin_site.get_model_admin(Agency)
    rows = offered.rows_for(request, Agency.objects.all(), Action.CHANGE_AGENTS)
    field = Agent._meta.get_field("agency")
    select = ScopedSelect(offered, field, Action.CHANGE_AGENTS)
    fields: dict[str, Any] = {"agency": ScopedChoice(offered, rows, select)}
    if not is_agency_open(request):
        fields["agency"].initial = agency
        fields["agency"].widget = forms.HiddenInput()
    seated = reach.agencies(Action.CHANGE_SEATS)
    is_entered = not is_agency_open(request) or bool(request.POST.get("agency"))
    if not seated or (is_entered and agency.pk not in seated):
        return type("AgentsForm", (AgentsForm,), {**fields, "on": None, "until": None})
    return type("AgentsForm", (_dated(AgentsForm, agencies),), fields)


def is_agency_open(request: HttpRequest) -> bool:
    """Whether new agents may belong to any of several agencies."""
    return len(reach_in(request).agencies(Action.CHANGE_AGENTS)) > 1


def today_of(rows: Sequence[Any]) -> date:
    """The earliest local date of the agencies of these rows, or of these agencies."""
    ids = {row.pk if isinstance(row, Agency) else row.agency_id for row in rows}
    return min(local_dates(ids, now=timezone.now()).values())


def moves_of(seats: Sequence[Seat], data: dict[str, Any]) -> list[tuple[Seat, Agent]]:
    """Each seat with the new holder that was entered for it."""
    return [(seat, data[f"agent_{seat.pk}"]) for seat in seats]


def _moves_form(
    page: Any, request: HttpRequest, seats: list[Seat], action: Action, among: str
) -> Any:
    offered = page.admin_site.get_model_admin(Agent)
    field = Seat._meta.get_field("agent")
    fields = {}
    for seat in seats[:MOST_MOVES]:
        narrowed = {among: seat.agency_id, "not_agent": seat.agent_id}
        within = offered.rows_for(request, Agent.objects.all(), action)
        rows = offered.narrowed(within, narrowed).select_related("agency")
        select = ScopedSelect(offered, field, action, **narrowed)
        label = f"Instead of {seat.agent}"
        fields[f"agent_{seat.pk}"] = ScopedChoice(offered, rows, select, label=label)
    order = ["on", *fields, "reason"]
    own = {**fields, "field_order": order}
    return type("MovesForm", (_dated(DatedForm, seats),), own)


def _dated(form_class: type[F], rows: Sequence[Any]) -> type[F]:
    """The form with today as its date, and the limit of dates beside it."""
    form = with_initial_dates(form_class, on=today_of(rows))
    days = settings.BILLING["BACKDATE_DAYS"]
    limit = f"In the agency's time zone; up to {days} days back."
    field = form.base_fields["on"]
    field.help_text = f"{field.help_text} {limit}".strip()
    return form
