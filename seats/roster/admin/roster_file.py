"""The page on which members download the roster of an agency, and upload it again."""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from core.admin.dates import DateField
from core.admin.dressing import DressedForm
from core.admin.pages import AgencyPanels
from core.admin.panels import Link, cell_html
from core.admin.readonly import actor_and_now
from core.admin.scoped import ScopedChoice, ScopedSelect, reach_in
from core.errors import Refusal
from core.tables import csv_pieces
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.roster.admin.forms import NoteForm, today_of
from seats.roster.admin.previews import with_invoices
from seats.roster.domain.roster_files import MOST_BYTES, RosterFile, read_roster
from seats.roster.domain.roster_plans import RosterPlan
from seats.roster.models import Agent
from seats.roster.services.roster_files import (
    apply_roster,
    digest_of,
    roster_plan,
    roster_rows,
)

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # by it Excel knows that it is UTF-8
LONGEST = MOST_BYTES * 2  # characters of a file in a form
TOO_LARGE = f"The file has more than {MOST_BYTES // 1024} KB. Upload it in parts."


class RosterForm(NoteForm):
    """A file, or the one that a preview was made of, and how it is carried out."""

    file = forms.FileField(label="CSV file", required=False)
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


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file does, as it stands on the page."""

    plan: RosterPlan
    effects: list[str]
    seen: str

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How often each verdict was given, errors first."""
        counts = self.plan.counts
        verdicts = sorted(counts, key=list(type(next(iter(counts)))).index)
        return [(str(verdict), counts[verdict]) for verdict in verdicts]

    @property
    def can_change(self) -> bool:
        return bool(self.plan.changes) and not self.plan.errors


@dataclass(kw_only=True)
class RosterFilePage(AgencyPanels):
    """Downloads for all who see seats; uploads for who may change them."""

    def allows(self, request: HttpRequest, permission: str) -> bool:
        """An agent sees its own seat alone, which is no roster."""
        return bool(reach_in(request).agencies(permission))

    def view(self, admin_site: AdminSite) -> Callable[..., HttpResponse]:
        @require_http_methods(["GET", "HEAD", "POST"])
        def page(request: HttpRequest, **values: Any) -> HttpResponse:
            if not self.allows(request, self.permission):
                raise Http404
            if request.method == "POST":
                return self._upload(admin_site, request)
            if "csv" in request.GET:
                return self._download(admin_site, request)
            return self._page(admin_site, request)

        return page

    def _download(self, admin_site: AdminSite, request: HttpRequest) -> HttpResponse:
        form = _form(admin_site, request, DownloadForm, Action.VIEW_SEATS, request.GET)
        if not form.is_valid():
            raise Http404
        agency = form.cleaned_data["agency"]
        header, *rows = roster_rows(agency, now=timezone.now())
        text = "".join(csv_pieces([str(name) for name in header], rows))
        return HttpResponse(
            BYTE_ORDER_MARK + text,
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="roster-{agency.code}.csv"'
            },
        )

    def _upload(self, admin_site: AdminSite, request: HttpRequest) -> HttpResponse:
        if not self.allows(request, Action.CHANGE_SEATS):
            raise Http404
        data = (request.POST, request.FILES)
        form = _form(admin_site, request, RosterForm, Action.CHANGE_SEATS, *data)
        if not form.is_valid():
            return self._page(admin_site, request, form)
        is_confirmed = "apply" in request.POST and not form.cleaned_data["file"]
        try:
            file = read_roster(form.cleaned_data["content"])
            if is_confirmed:
                return _applied(admin_site, request, file, form.cleaned_data)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            if not is_confirmed:
                return self._page(admin_site, request, form)
        try:
            preview = _preview(request, form.cleaned_data)
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            preview = None
        return self._page(admin_site, request, form, preview)

    def _page(
        self,
        admin_site: AdminSite,
        request: HttpRequest,
        form: forms.Form | None = None,
        preview: Preview | None = None,
    ) -> HttpResponse:
        if form is None and self.allows(request, Action.CHANGE_SEATS):
            form = _form(admin_site, request, RosterForm, Action.CHANGE_SEATS)
        context = {
            **admin_site.each_context(request),
            "title": self.title,
            "intro": self.intro,
            "download": _form(admin_site, request, DownloadForm, Action.VIEW_SEATS),
            "form": form,
            "preview": preview,
            "content": _kept(form),
        }
        return TemplateResponse(request, self.template, context)


def _kept(form: forms.Form | None) -> str:
    """The file of a form that is shown again, as browsers do not keep it."""
    content = getattr(form, "cleaned_data", {}).get("content")
    return base64.urlsafe_b64encode(content).decode("ascii") if content else ""


def _form(
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


def _preview(request: HttpRequest, data: dict[str, Any]) -> Preview:
    """The plan of a file and what it costs; it is carried out and rolled back for that.

    Raises what the changes would raise.
    """
    file, how, now = read_roster(data["content"]), _how(data), timezone.now()
    plan = roster_plan(file=file, now=now, **how)
    effects: list[str] = []
    if plan.changes and not plan.errors:
        effects = with_invoices(
            request,
            {data["agency"].pk},
            [],
            lambda: apply_roster(file=file, seen=None, **how, **actor_and_now(request)),
            is_final=True,
        )
    return Preview(plan, effects, _digest(plan, how))


def _applied(
    admin_site: AdminSite, request: HttpRequest, file: RosterFile, data: dict[str, Any]
) -> HttpResponse:
    """Carry the file out as it was confirmed. Raises what the changes raise."""
    plan = apply_roster(
        file=file,
        seen=request.POST.get("seen", ""),
        reason=data["reason"],
        **_how(data),
        **actor_and_now(request),
    )
    seats = reverse("admin:seats_seat_changelist", current_app=admin_site.name)
    link = Link("Look at them, or undo it", f"{seats}?state=all&changed=lately")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in plan.counts.items())
    text = f"The roster of {data['agency'].name} is as in the file: {counts}."
    messages.success(request, format_html("{} {}", text, cell_html(link)))
    return redirect(request.get_full_path())


def _how(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("agency", "on", "remove_missing")}


def _digest(plan: RosterPlan, how: dict[str, Any]) -> str:
    on: date = how["on"]
    about = {"agency": how["agency"].pk, "on": on}
    return digest_of(plan, **about, remove_missing=how["remove_missing"])


ROSTER_FILE = RosterFilePage(
    name="roster_file",
    path="roster-file/",
    title="Roster file",
    permission=Action.VIEW_SEATS,
    menu=("Team", "Roster file"),
    template="roster/file.html",
    intro=(
        "The seats that are held now or later, as a table that spreadsheets open. Change it"
        " there and upload it: you see first what happens to each row and what it costs."
    ),
)
