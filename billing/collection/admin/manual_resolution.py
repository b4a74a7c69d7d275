"""Admin action to close payment and refund attempts by hand."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from billing.collection.services.manual_resolution import close_attempt, is_stuck
from core.admin.actions import ActionOutcome, ReasonForm, staff_action, unchanged_if
from core.admin.readonly import ReadOnlyAdmin, actor_and_now
from core.errors import Refusal
from core.money import money_label


class SeveralAttempts(Refusal):
    """More than one payment attempt was selected.

    Close one attempt at a time, because each has its own outcome and reference.
    """

    code = "several_attempts"


class ClosingForm(ReasonForm):
    """The outcome of an attempt, and how staff knows it."""

    outcome = forms.ChoiceField(
        choices=[("succeeded", "succeeded"), ("failed", "failed")]
    )
    reference = forms.CharField(
        max_length=200,
        required=False,
        help_text="The processor's id of the charge or refund, if it succeeded.",
    )
    reason = forms.CharField(max_length=120, help_text="How you know the outcome.")
    field_order = ["outcome", "reference", "reason"]


def close_effects(attempts: list[Any], data: dict[str, Any] | None) -> list[str]:
    """The outcome that will be recorded for each attempt."""
    outcome = data["outcome"] if data else ""
    after = {
        "succeeded": "It is recorded as succeeded, and so is its payment or refund.",
        "failed": "It is recorded as failed; no money moves. It can be requested again.",
    }.get(outcome, "The outcome that you choose below is recorded.")
    return [
        unchanged_if(
            not is_stuck(attempt, now=timezone.now()),
            f"{attempt} over {money_label(attempt.amount, attempt.currency)} at"
            f" {attempt.processor} is {attempt.get_state_display()}. {after}"
            " The processor is not contacted.",
        )
        for attempt in attempts
    ]


class ClosingAdmin(ReadOnlyAdmin):
    """Attempts, with an action to close those that have been open for a day."""

    actions = ["close"]

    @staff_action(
        "Close by hand",
        effects=close_effects,
        undo="A closed attempt cannot be reopened. Refund a wrong success; record a"
        " payment for a wrong failure.",
        done="closed",
        form=ClosingForm,
        one_by_one=True,
    )
    def close(
        self, request: HttpRequest, attempts: list[Any], data: dict[str, Any]
    ) -> ActionOutcome | None:
        if len(attempts) > 1:
            raise SeveralAttempts("Close one attempt at a time.")
        close_attempt(attempt=attempts[0], **actor_and_now(request), **data)
        return None
