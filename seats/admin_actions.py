"""What staff do to rows: allowed by name, shown before it happens, recorded after.

Every action of the admin that changes something is a `StaffAction`. Choosing one shows
a page that says what will happen, for whom, and whether it can be undone, and asks for
a reason. Nothing changes until that page is confirmed, and if what will happen is
different by then (or depends on what was filled in), the page is shown once more.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from seats.errors import Refusal
from seats.fields import PlainForm

LISTED = 100  # sentences on the page
WARNED = 10  # refusals after bulk work, each in a message of its own

Effects = Callable[[list[Any], dict[str, Any] | None], Iterable[str]]


class Moving(str):
    """A sentence with numbers that move by themselves, such as what waits to be sent.

    It is shown, but who confirms does not confirm these numbers.
    """


class Unchanged(str):
    """A sentence about a row that stays as it is, whatever is confirmed.

    Where an action has no other sentences, there is nothing to confirm.
    """


@dataclass(frozen=True)
class Outcome:
    """What an action did to its rows; every row is in exactly one of the three.

    `unchanged` and `refused` name a reason for each row. `summary` replaces the
    counts where those say too little.
    """

    changed: Sequence[Model] = ()
    unchanged: Sequence[tuple[Model, str]] = ()
    refused: Sequence[tuple[Model, str]] = ()
    summary: str = ""


Work = Callable[[Any, HttpRequest, list[Any], dict[str, Any]], Outcome | None]


class ReasonForm(PlainForm, forms.Form):
    """The reason, which the history of each row keeps."""

    reason = forms.CharField(max_length=500)


@dataclass(frozen=True)
class StaffAction:
    """One action of the admin; see `staff_action` for what each field means."""

    name: str
    short_description: str
    permission: str
    effects: Effects
    undo: str
    done: str
    form: Callable[[list[Any]], type[ReasonForm]]
    atomic: bool
    one_by_one: bool
    work: Work

    def permission_for(self, model: type[Model]) -> str:
        """The full name, such as "billing.void_document"."""
        if "." in self.permission:
            return self.permission
        return f"{model._meta.app_label}.{self.permission}_{model._meta.model_name}"

    def is_allowed(self, request: HttpRequest, model: type[Model]) -> bool:
        return request.user.has_perm(self.permission_for(model))

    def __call__(
        self,
        model_admin: "admin.ModelAdmin[Any]",
        request: HttpRequest,
        queryset: QuerySet[Any],
    ) -> HttpResponse | None:
        """Ask, or do what was confirmed. Raises PermissionDenied."""
        if not self.is_allowed(request, model_admin.model):
            raise PermissionDenied
        rows = list(queryset)
        form = self.form(rows)(request.POST if "apply" in request.POST else None)
        data = form.cleaned_data if form.is_valid() else None
        try:
            effects = self._effects(rows, data)
        except Refusal as refusal:
            _show_refusal(form, refusal)
            data, effects = None, self._effects(rows, None)
        seen = _digest(rows, effects)
        if data is not None and request.POST.get("seen") == seen:
            try:
                outcome = self._perform(model_admin, request, rows, data)
            except Refusal as refusal:
                _show_refusal(form, refusal)
                data = None
            else:
                self._report(model_admin, request, outcome)
                return None
        context = {
            **model_admin.admin_site.each_context(request),
            "title": self.short_description,
            "opts": model_admin.opts,
            "count": len(rows),
            "effects": effects[:LISTED],
            "more": max(len(effects) - LISTED, 0),
            "undo": self.undo,
            "look_again": data is not None,
            "can_change": _can_change(effects),
            "seen": seen,
            "form": form,
            "media": model_admin.media + form.media,
            "picked": request.POST.getlist("_selected_action"),
            "all_of_them": request.POST.get("select_across") == "1",
            "action": self.name,
        }
        return render(request, "admin/seats/confirm.html", context)

    def _effects(self, rows: list[Any], data: dict[str, Any] | None) -> list[str]:
        if self.one_by_one and len(rows) > 1:
            return [Unchanged("Choose one row: this is done to one at a time.")]
        return list(self.effects(rows, data))

    def _perform(
        self,
        model_admin: "admin.ModelAdmin[Any]",
        request: HttpRequest,
        rows: list[Any],
        data: dict[str, Any],
    ) -> Outcome:
        entry = f"{self.short_description}{_details(data, self.form(rows))}."
        entry = f"{entry} Reason: {data['reason']}"
        if self.atomic:
            with transaction.atomic():
                outcome = self.work(model_admin, request, rows, dict(data))
                outcome = outcome or Outcome(changed=rows)
                _record(request, outcome.changed, entry)
            return outcome
        # The service commits by itself: who and why must not be lost with a crash.
        _record(request, rows, entry)
        try:
            outcome = self.work(model_admin, request, rows, dict(data))
        except Refusal as refusal:
            _record(request, rows, f"Not done: {refusal.message}")
            raise
        outcome = outcome or Outcome(changed=rows)
        for row, why in (*outcome.unchanged, *outcome.refused):
            _record(request, [row], f"Not done: {why}")
        return outcome

    def _report(
        self,
        model_admin: "admin.ModelAdmin[Any]",
        request: HttpRequest,
        outcome: Outcome,
    ) -> None:
        counts = Counter(why for _, why in outcome.unchanged)
        parts = [
            outcome.summary or f"{len(outcome.changed)} {self.done}",
            *(f"{count} {why}" for why, count in counts.items()),
        ]
        if outcome.refused:
            parts.append(f"{len(outcome.refused)} refused")
        level = messages.SUCCESS if outcome.changed else messages.WARNING
        model_admin.message_user(request, f"{', '.join(parts)}.", level)
        for row, why in outcome.refused[:WARNED]:
            model_admin.message_user(request, f"{row}: {why}", messages.WARNING)


def staff_action(
    title: str,
    *,
    effects: Effects,
    undo: str,
    done: str,
    permission: str = "",
    form: type[ReasonForm] | Callable[[list[Any]], type[ReasonForm]] = ReasonForm,
    atomic: bool = True,
    one_by_one: bool = False,
) -> Callable[[Work], StaffAction]:
    """Make a method of a `StaffAdmin` an action that asks first and is recorded.

    `effects(rows, data)` says in sentences what will happen; `data` is what was filled
    in, or None before that. Sentences about rows that will not change are `Unchanged`;
    if all are, the page says so and offers nothing to confirm. `one_by_one` actions take
    a single row. `undo` says how it can be undone, or that it cannot.
    `done` follows a count ("2 issued"). `permission` is a verb ("void" asks for
    "billing.void_document" at documents; the method's name by default) or a full name.
    `form` is a `ReasonForm`, or chooses one by the rows. The method gets the rows and
    the cleaned data, and gives an `Outcome`; None means that every row changed. It runs
    in a transaction with its record, unless `atomic` is off because the service it
    calls commits by itself.
    """

    def decorate(work: Work) -> StaffAction:
        name = work.__name__
        return StaffAction(
            name=name,
            short_description=title,
            permission=permission or name,
            effects=effects,
            undo=undo,
            done=done,
            form=(lambda rows: form) if isinstance(form, type) else form,
            atomic=atomic,
            one_by_one=one_by_one,
            work=work,
        )

    return decorate


def work_each(rows: Iterable[Any], work: Callable[[Any], str | None]) -> Outcome:
    """Do something to each row by itself; a refusal leaves that row alone.

    The work gives None for a row that it changed, and else why it did not ("was
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
    return Outcome(changed, unchanged, refused)


def _show_refusal(form: forms.Form, refusal: Refusal) -> None:
    form.add_error(
        refusal.field if refusal.field in form.fields else None, refusal.message
    )


def _can_change(effects: list[str]) -> bool:
    """Whether any sentence says that something happens."""
    fixed = [effect for effect in effects if not isinstance(effect, Moving)]
    return not all(isinstance(effect, Unchanged) for effect in fixed)


def unchanged_if(blocked: bool, sentence: str) -> str:  # noqa: FBT001
    """The sentence, as one about a row that stays as it is where it is blocked."""
    return Unchanged(sentence) if blocked else sentence


def _digest(rows: list[Any], effects: list[str]) -> str:
    fixed = [effect for effect in effects if not isinstance(effect, Moving)]
    seen = json.dumps([[str(row.pk) for row in rows], fixed])
    return sha256(seen.encode()).hexdigest()


def _details(data: dict[str, Any], form: type[forms.Form]) -> str:
    """What was filled in beside the reason, without secrets."""
    parts = [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in data.items()
        if name != "reason"
        and value not in ("", None)
        and not isinstance(form.base_fields[name].widget, forms.PasswordInput)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def _record(request: HttpRequest, rows: Sequence[Model], entry: str) -> None:
    """Keep who did what and why, for the history page of each row."""
    if rows and request.user.pk is not None:
        LogEntry.objects.log_actions(request.user.pk, rows, CHANGE, entry)
