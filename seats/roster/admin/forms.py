"""The forms in which members change agents and seats; they offer what is within reach."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from core.admin.actions import ReasonForm
from core.admin.dates import DateField, with_initial_dates
from core.admin.scoped import ScopedChoice, ScopedSelect
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.agencies.queries.agencies import local_dates
from seats.roster.models import Agent, Seat

MOST_MOVES = 50  # fields of one page
F = TypeVar("F", bound=forms.Form)
DIGITS = re.compile(r"[0-9]{1,9}")


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


def until_field() -> DateField:
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

    until = until_field()
    field_order = ["on", "until", "reason"]


class UndoForm(NoteForm):
    """A note, and the number of the change that is meant, if a page named it."""

    version = forms.CharField(required=False, widget=forms.HiddenInput())

    def clean_version(self) -> int | None:
        text = str(self.cleaned_data["version"])
        return int(text) if DIGITS.fullmatch(text) else None


def plain_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[NoteForm]:
    """A form with a note alone."""
    return NoteForm


def reason_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[ReasonForm]:
    """A form with a reason, which is required."""
    return ReasonForm


def dated_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[DatedForm]:
    """A form with a date; at first today."""
    return dated(DatedForm, rows)


def season_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[SeasonForm]:
    """A form with a date, at first today, and perhaps an end."""
    return dated(SeasonForm, rows)


def undo_form(page: Any, request: HttpRequest, rows: list[Any]) -> type[UndoForm]:
    """A form that keeps which change the page named that the person came from."""
    field = forms.CharField(
        required=False,
        widget=forms.HiddenInput(),
        initial=request.POST.get("version", ""),
    )
    return type("UndoForm", (UndoForm,), {"version": field})


def hand_over_form(page: Any, request: HttpRequest, seats: list[Seat]) -> Any:
    """A form with a new holder for each seat, of the seat's own agency."""
    return _moves_form(page, request, seats, Action.HAND_OVER_SEATS, "agency")


def transfer_form(page: Any, request: HttpRequest, seats: list[Seat]) -> Any:
    """A form with a new holder for each seat, of another agency within reach."""
    return _moves_form(page, request, seats, Action.CHANGE_SEATS, "not_agency")


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
    return type("MovesForm", (dated(DatedForm, seats),), own)


def dated(form_class: type[F], rows: Sequence[Any]) -> type[F]:
    """The form with today as its date, and the limit of dates beside it."""
    form = with_initial_dates(form_class, on=today_of(rows))
    days = settings.BILLING["BACKDATE_DAYS"]
    limit = f"In the agency's time zone; up to {days} days back."
    field = form.base_fields["on"]
    field.help_text = f"{field.help_text} {limit}".strip()
    return form
