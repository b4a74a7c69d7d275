"""Closing attempts by hand, for the pages of charges and of refunds."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from billing.payments.services.closing import close_attempt
from seats.errors import Refusal
from seats.readonly import ReadOnlyAdmin, acting, ask_and_do


class SeveralAttempts(Refusal):
    """A reference is of one attempt, and what is known is known of one."""

    code = "several_attempts"


class ClosingForm(forms.Form):
    """What became of it, and how one knows."""

    outcome = forms.ChoiceField(
        choices=[("succeeded", "succeeded"), ("failed", "failed")]
    )
    reference = forms.CharField(
        max_length=200, required=False, help_text="The processor's, of a success."
    )
    reason = forms.CharField(max_length=120, help_text="How you know.")


class ClosingAdmin(ReadOnlyAdmin):
    """Attempts that stay open for a day may be closed by who may change them."""

    actions = ["close"]

    def has_close_permission(self, request: HttpRequest) -> bool:
        return admin.ModelAdmin.has_change_permission(self, request)

    @admin.action(description="Close by hand", permissions=["close"])
    def close(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        def work(chosen: list[Any], told: dict[str, Any]) -> None:
            if len(chosen) > 1:
                raise SeveralAttempts("Close one attempt at a time.")
            close_attempt(attempt=chosen[0], **acting(request), **told)

        return ask_and_do(self, request, rows, ClosingForm, work)
