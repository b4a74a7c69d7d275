"""The forms of the roster file: of which agency, which file, and how to carry it out."""

import base64
import binascii
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from core.admin.dates import DateField
from core.admin.dressing import DressedForm
from core.admin.scoped import ScopedChoice, ScopedSelect, reach_in
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.roster.admin.forms import NoteForm, today_of
from seats.roster.domain.roster_files import MOST_BYTES, MOST_ROWS
from seats.roster.models import Agent

LONGEST = MOST_BYTES * 2  # characters of a file in a form
TOO_LARGE = f"The file has more than {MOST_BYTES // 1024} KB. Upload it in parts."


class RosterForm(NoteForm):
    """A file, or the one that a preview was made of, and how it is carried out."""

    file = forms.FileField(
        label="CSV file",
        required=False,
        help_text=(
            "Columns: seat (empty for a new one), agent (the dialer id), name, email, npn,"
            f" added_on, removed_on; only agent is required. Up to {MOST_ROWS:,} rows."
        ),
    )
    content = forms.CharField(
        required=False, max_length=LONGEST, widget=forms.HiddenInput()
    )
    on = DateField(
        label="Date of changes",
        help_text="Seats without a date of their own begin, change hands or end then.",
    )
    remove_missing = forms.BooleanField(
        label="Remove the seats that are missing in the file",
        required=False,
        help_text="Without it they stay as they are.",
    )
    field_order = ["agency", "file", "on", "remove_missing", "reason", "content"]

    def clean_file(self) -> bytes | None:
        uploaded = self.cleaned_data["file"]
        if uploaded is None:
            return None
        if uploaded.size > MOST_BYTES:
            raise ValidationError(TOO_LARGE)
        return bytes(uploaded.read())

    def clean_content(self) -> bytes | None:
        text = self.cleaned_data["content"]
        try:
            return base64.urlsafe_b64decode(text.encode("ascii")) if text else None
        except (binascii.Error, UnicodeEncodeError) as error:
            raise ValidationError("Choose the file again.") from error

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        content = cleaned.get("file") or cleaned.get("content")
        if not self.errors and not content:
            self.add_error("file", "Choose a file.")
        return {**cleaned, "content": content}


class DownloadForm(DressedForm, forms.Form):
    """Of which agency the roster is wanted."""


def kept_content(form: forms.Form | None) -> str:
    """The file of a form that is shown again, as browsers do not keep it."""
    content = getattr(form, "cleaned_data", {}).get("content")
    return base64.urlsafe_b64encode(content).decode("ascii") if content else ""


def form_of(
    admin_site: AdminSite,
    request: HttpRequest,
    form_class: type[forms.Form],
    action: Action,
    *data: Any,
) -> forms.Form:
    """The form with the agencies at which the action may be done; hidden if it is one."""
    page: Any = admin_site.get_model_admin(Agency)
    rows = page.rows_for(request, Agency.objects.all(), action)
    select = ScopedSelect(page, Agent._meta.get_field("agency"), action)
    agency = ScopedChoice(page, rows, select)
    ids = reach_in(request).agencies(action)
    initial: dict[str, Any] = {}
    if len(ids) == 1:
        agency.widget = forms.HiddenInput()
        initial = {"agency": min(ids)}
    if issubclass(form_class, RosterForm):
        initial["on"] = today_of(list(rows.order_by("pk")[:1]))
    own = type(form_class.__name__, (form_class,), {"agency": agency})
    form: forms.Form = own(*data, initial=initial)
    return form
