"""The forms in which members add agents, and change what is on record of them."""

import copy
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.http import HttpRequest

from core.admin.dates import DateField
from core.admin.scoped import ScopedChoice, ScopedSelect, reach_in
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.roster.admin.forms import NoteForm, dated, until_field
from seats.roster.models import Agent
from seats.roster.services.agents import DETAILS, last_uses

MOST_AGENTS = 200
COLUMNS = ["external_id", "name", "email", "npn"]


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
    until = until_field()
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
    return type("AgentsForm", (dated(AgentsForm, agencies),), fields)


def is_agency_open(request: HttpRequest) -> bool:
    """Whether new agents may belong to any of several agencies."""
    return len(reach_in(request).agencies(Action.CHANGE_AGENTS)) > 1
