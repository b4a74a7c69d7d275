"""Admin actions of staff: each has a permission, a confirmation page, and a record.

Every action of the admin that changes something is a `StaffAction`. Choosing it shows
a page that says what will happen, for whom, and whether it can be undone, and asks for
a reason. Nothing changes until that page is confirmed, and if what will happen is
different by then (or depends on what was filled in), the page is shown again; so it
is when somebody acted on the rows in the meantime, so nothing is done twice.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from zlib import crc32

from django import forms
from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join

from core.admin.dressing import DressedForm
from core.admin.history import details_of, record_action
from core.admin.panels import Link, cell_html
from core.admin.reauthentication import require_reauthentication
from core.admin.rights import shown_to
from core.audit import changes_because
from core.errors import Refusal
from core.postgres.locks import names_locked

MAX_EFFECTS = 100  # sentences on the page
MAX_WARNINGS = 10  # refusals after bulk work, each in a message of its own
BUCKETS = 64  # locks of the rows of one kind
GONE = "Nothing was changed: what you selected no longer exists."

Effects = Callable[[list[Any], dict[str, Any] | None], Iterable[str]]
EffectsFor = Callable[[HttpRequest, list[Any], dict[str, Any] | None], Iterable[str]]
FormFor = Callable[[Any, HttpRequest, list[Any]], "type[ReasonForm]"]


class Moving(str):
    """A sentence with numbers that change by themselves, such as a queue's length.

    It is shown, but a change of it does not ask for confirmation again.
    """


class Unchanged(str):
    """A sentence about a row that stays as it is, whatever is confirmed.

    Where an action has no other sentences, there is nothing to confirm.
    """


@dataclass(frozen=True)
class ActionOutcome:
    """The result of an action; every row is in exactly one of the three lists.

    `unchanged` and `refused` have a reason for each row. `summary` replaces the count
    of changed rows in the message that people see, `links` follow it.
    """

    changed: Sequence[Model] = ()
    unchanged: Sequence[tuple[Model, str]] = ()
    refused: Sequence[tuple[Model, str]] = ()
    summary: str = ""
    links: Sequence[Link] = ()


Work = Callable[[Any, HttpRequest, list[Any], dict[str, Any]], ActionOutcome | None]


class ReasonForm(DressedForm, forms.Form):
    """The reason, which is kept in the history of each row."""

    reason = forms.CharField(max_length=500)


@dataclass(frozen=True)
class StaffAction:
    """One action of the admin; see `staff_action` for what each field means."""

    name: str
    short_description: str
    permission: str
    effects: EffectsFor
    undo: str
    done: str
    form: FormFor
    atomic: bool
    one_by_one: bool
    sensitive: bool
    work: Work

    def permission_for(self, model: type[Model]) -> str:
        """The full permission name, such as "billing.void_document"."""
        if "." in self.permission:
            return self.permission
        return f"{model._meta.app_label}.{self.permission}_{model._meta.model_name}"

    def __call__(
        self,
        model_admin: Any,
        request: HttpRequest,
        queryset: QuerySet[Any],
    ) -> HttpResponse | None:
        """Show the confirmation page, or do what it confirmed. Raises PermissionDenied."""
        if not model_admin.allows(request, self):
            raise PermissionDenied
        queryset = model_admin.rows_of_action(request, self, queryset)
        if self.sensitive:
            is_kept = not self._has_secrets(model_admin, request, queryset)
            require_reauthentication(request, keep=is_kept)
        if "seen" not in request.POST:
            return self._answer(model_admin, request, queryset)
        with names_locked(_lock_names(queryset)):
            return self._answer(model_admin, request, queryset.all())

    def _has_secrets(
        self, model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]
    ) -> bool:
        """Whether what was filled in is a secret, which no session keeps."""
        if "apply" not in request.POST or not (rows := list(queryset)):
            return False
        fields = self.form(model_admin, request, rows).base_fields.values()
        return any(isinstance(field.widget, forms.PasswordInput) for field in fields)

    def _answer(
        self,
        model_admin: Any,
        request: HttpRequest,
        queryset: QuerySet[Any],
    ) -> HttpResponse | None:
        with shown_to(request):
            rows = list(queryset)
        if not rows:
            model_admin.message_user(request, GONE, messages.WARNING)
            return None
        with shown_to(request):
            form_class = self.form(model_admin, request, rows)
            form = form_class(request.POST if "apply" in request.POST else None)
            data = form.cleaned_data if form.is_valid() else None
        try:
            effects = self._effects(request, rows, data)
        except Refusal as refusal:
            _show_refusal(form, refusal)
            data, effects = None, self._effects(request, rows, None)
        who = [str(request.user.pk), model_admin.model._meta.label, self.name]
        seen = _digest([*who, _last_entry(rows)], rows, effects)
        if data is not None and request.POST.get("seen") == seen:
            try:
                outcome = self._perform(model_admin, request, rows, form)
            except Refusal as refusal:
                _show_refusal(form, refusal)
                data = None
            else:
                self._report(model_admin, request, outcome)
                return None
        return self._page(
            model_admin,
            request,
            rows,
            effects=effects,
            seen=seen,
            form=form,
            again=data is not None,
        )

    def _page(
        self,
        model_admin: Any,
        request: HttpRequest,
        rows: list[Any],
        *,
        effects: list[str],
        seen: str,
        form: forms.Form,
        again: bool,
    ) -> HttpResponse:
        context = {
            **model_admin.admin_site.each_context(request),
            "title": self.short_description,
            "opts": model_admin.opts,
            "count": len(rows),
            "effects": effects[:MAX_EFFECTS],
            "more": max(len(effects) - MAX_EFFECTS, 0),
            "undo": self.undo,
            "look_again": again,
            "can_change": _can_change(effects),
            "seen": seen,
            "form": form,
            "media": model_admin.media + form.media,
            "picked": request.POST.getlist("_selected_action"),
            "all_of_them": request.POST.get("select_across") == "1",
            "action": self.name,
            "back": self._list_of(request),
        }
        request.current_app = model_admin.admin_site.name
        with shown_to(request):
            return render(request, "admin/confirm.html", context)

    def _list_of(self, request: HttpRequest) -> str:
        """The address of the list, with its filters if the action came from there."""
        listed, is_adding, _ = request.path.partition("add/")
        return listed if is_adding else request.get_full_path()

    def _effects(
        self, request: HttpRequest, rows: list[Any], data: dict[str, Any] | None
    ) -> list[str]:
        if self.one_by_one and len(rows) > 1:
            return [Unchanged("Choose one row: this is done to one at a time.")]
        return list(self.effects(request, rows, data))

    def _perform(
        self,
        model_admin: Any,
        request: HttpRequest,
        rows: list[Any],
        form: forms.Form,
    ) -> ActionOutcome:
        data = form.cleaned_data
        reason = f" Reason: {data['reason']}" if data["reason"] else ""
        entry = f"{self.short_description}{details_of(data, form)}.{reason}"
        if self.atomic:
            with changes_because(data["reason"]), transaction.atomic():
                outcome = self.work(model_admin, request, rows, dict(data))
                outcome = outcome or ActionOutcome(changed=rows)
                record_action(request, outcome.changed, entry)
            return outcome
        # The service commits by itself: record first, so that a crash loses no reason.
        record_action(request, rows, entry)
        try:
            with changes_because(data["reason"]):
                outcome = self.work(model_admin, request, rows, dict(data))
        except Refusal as refusal:
            record_action(request, rows, f"Not done: {refusal.message}")
            raise
        outcome = outcome or ActionOutcome(changed=rows)
        for row, why in (*outcome.unchanged, *outcome.refused):
            record_action(request, [row], f"Not done: {why}")
        return outcome

    def _report(
        self,
        model_admin: Any,
        request: HttpRequest,
        outcome: ActionOutcome,
    ) -> None:
        counts = Counter(why for _, why in outcome.unchanged)
        parts = [
            outcome.summary or f"{len(outcome.changed)} {self.done}",
            *(f"{count} {why}" for why, count in counts.items()),
        ]
        if outcome.refused:
            parts.append(f"{len(outcome.refused)} refused")
        level = messages.SUCCESS if outcome.changed else messages.WARNING
        links = format_html_join("", " {}", ((cell_html(at),) for at in outcome.links))
        message = format_html("{}.{}", ", ".join(parts), links)
        model_admin.message_user(request, message, level)
        for row, why in outcome.refused[:MAX_WARNINGS]:
            model_admin.message_user(request, f"{row}: {why}", messages.WARNING)


def staff_action(
    title: str,
    *,
    effects: Effects | EffectsFor,
    undo: str,
    done: str,
    by_user: bool = False,
    permission: str = "",
    form: type[ReasonForm] | Callable[[list[Any]], type[ReasonForm]] = ReasonForm,
    atomic: bool = True,
    one_by_one: bool = False,
    sensitive: bool = False,
) -> Callable[[Work], StaffAction]:
    """Make a method of a `StaffAdmin` an action that is confirmed first and recorded.

    `effects(rows, data)` returns sentences about what will happen; `data` is the cleaned
    form, or None before it is filled in. Sentences about rows that will not change are
    `Unchanged`; if all are, the page says so and offers nothing to confirm. With
    `by_user` they depend on who asks: `effects(request, rows, data)`. `one_by_one`
    actions take a single row. `sensitive` ones need a recent confirmation of who the
    user is. `undo` says how to undo it, or that one cannot.
    `done` follows a count ("2 issued"). `permission` is a verb ("void" requires
    "billing.void_document" for documents; default: the method's name) or a full name.
    `form` is a `ReasonForm`, or a function of the rows that returns one. The method
    returns an `ActionOutcome`, or None if every row changed. It runs in one transaction
    with its record, unless `atomic` is off because the service commits by itself.
    """

    def decorate(work: Work) -> StaffAction:
        name = work.__name__
        return StaffAction(
            name=name,
            short_description=title,
            permission=permission or name,
            effects=(
                effects if by_user else lambda request, rows, data: effects(rows, data)  # type: ignore[call-arg,arg-type]
            ),
            undo=undo,
            done=done,
            form=lambda page, request, rows: (
                form if isinstance(form, type) else form(rows)
            ),
            atomic=atomic,
            one_by_one=one_by_one,
            sensitive=sensitive,
            work=work,
        )

    return decorate


def work_each(rows: Iterable[Any], work: Callable[[Any], str | None]) -> ActionOutcome:
    """Call `work` for each row; a refusal leaves that row unchanged.

    `work` returns None for a row that it changed, or why it did not change it ("was
    already issued").
    """
    changed, unchanged, refused = [], [], []
    for row in rows:
        try:
            why = work(row)
        except Refusal as refusal:
            refused.append((row, refusal.message))
        else:
            if why is None:
                changed.append(row)
            else:
                unchanged.append((row, why))
    return ActionOutcome(changed, unchanged, refused)


def _show_refusal(form: forms.Form, refusal: Refusal) -> None:
    form.add_error(
        refusal.field if refusal.field in form.fields else None, refusal.message
    )


def unchanged_if(blocked: bool, sentence: str) -> str:  # noqa: FBT001
    """The sentence, as `Unchanged` if the action is blocked for its row."""
    return Unchanged(sentence) if blocked else sentence


def _can_change(effects: list[str]) -> bool:
    """Whether any sentence is about a row that will change."""
    fixed = [effect for effect in effects if not isinstance(effect, Moving)]
    return not all(isinstance(effect, Unchanged) for effect in fixed)


def _lock_names(queryset: QuerySet[Any]) -> list[str]:
    """Few names for many rows, so that nobody acts on one of them at the same time."""
    label = queryset.model._meta.label_lower
    keys = queryset.order_by().values_list("pk", flat=True)
    buckets = {crc32(str(key).encode()) % BUCKETS for key in keys}
    return [f"staff_action:{label}:{bucket}" for bucket in sorted(buckets)]


def _last_entry(rows: list[Any]) -> str:
    """The latest entry in the history of any row; it ends all pages shown before."""
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(rows[0]),
        object_id__in=[str(row.pk) for row in rows],
    )
    return str(entries.aggregate(last=Max("pk"))["last"])


def _digest(who: list[str], rows: list[Any], effects: list[str]) -> str:
    """Of what a user saw of an action; nothing else is confirmed with it."""
    fixed = [effect for effect in effects if not isinstance(effect, Moving)]
    seen = json.dumps([who, [str(row.pk) for row in rows], fixed])
    return sha256(seen.encode()).hexdigest()
