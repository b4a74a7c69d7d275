"""The page on which members download the roster of an agency, and upload it again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from core.admin.pages import AgencyPanels
from core.admin.panels import Link, cell_html
from core.admin.readonly import actor_and_now
from core.admin.scoped import reach_in
from core.errors import Refusal
from core.tables import csv_pieces
from seats.access.domain import Action
from seats.roster.admin.previews import with_invoices
from seats.roster.admin.roster_file_form import (
    DownloadForm,
    RosterForm,
    form_of,
    kept_content,
)
from seats.roster.domain.roster_files import RosterFile, read_roster
from seats.roster.domain.roster_plans import RosterPlan
from seats.roster.services.roster_files import (
    apply_roster,
    digest_of,
    roster_plan,
    roster_rows,
)

BYTE_ORDER_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"  # by it Excel knows that it is UTF-8


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
        form = form_of(
            admin_site, request, DownloadForm, Action.VIEW_SEATS, request.GET
        )
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
        form = form_of(admin_site, request, RosterForm, Action.CHANGE_SEATS, *data)
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
            form = form_of(admin_site, request, RosterForm, Action.CHANGE_SEATS)
        context = {
            **admin_site.each_context(request),
            "title": self.title,
            "intro": self.intro,
            "download": form_of(admin_site, request, DownloadForm, Action.VIEW_SEATS),
            "form": form,
            "preview": preview,
            "content": kept_content(form),
        }
        return TemplateResponse(request, self.template, context)


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
