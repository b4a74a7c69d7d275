"""Closing attempts by hand, for the pages of charges and of refunds."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils import timezone

from billing.money import money_label
from billing.payments.services.closing import close_attempt, is_stuck
from seats.admin_actions import Outcome, ReasonForm, staff_action, unchanged_if
from seats.errors import Refusal
from seats.readonly import ReadOnlyAdmin, acting


class SeveralAttempts(Refusal):
    """A reference is of one attempt, and what is known is known of one."""

    code = "several_attempts"


class ClosingForm(ReasonForm):
    """What became of it, and how one knows."""

    outcome = forms.ChoiceField(
        choices=[("succeeded", "succeeded"), ("failed", "failed")]
    )
    reference = forms.CharField(
        max_length=200, required=False, help_text="The processor's, of a success."
    )
    reason = forms.CharField(max_length=120, help_text="How you know.")
    field_order = ["outcome", "reference", "reason"]


def close_effects(attempts: list[Any], data: dict[str, Any] | None) -> list[str]:
    """The outcome that the books will show."""
    outcome = data["outcome"] if data else ""
    after = {
        "succeeded": "It counts as succeeded: the money is moved in our books.",
        "failed": "It counts as failed: no money is moved. It can be requested again.",
    }.get(outcome, "Our books then show the outcome that you choose below.")
    return [
        unchanged_if(
            not is_stuck(attempt, now=timezone.now()),
            f"{attempt} over {money_label(attempt.amount, attempt.currency)} at"
            f" {attempt.processor} is {attempt.get_state_display()}. {after}"
            " The processor is not asked.",
        )
        for attempt in attempts
    ]


class ClosingAdmin(ReadOnlyAdmin):
    """Attempts that stay open for a day may be closed by who may close them."""

    actions = ["close"]

    @staff_action(
        "Close by hand",
        effects=close_effects,
        undo="A closed attempt stays closed. Refund a wrong success; record a payment for"
        " a wrong failure.",
        done="closed",
        form=ClosingForm,
        one_by_one=True,
    )
    def close(
        self, request: HttpRequest, attempts: list[Any], data: dict[str, Any]
    ) -> Outcome | None:
        if len(attempts) > 1:
            raise SeveralAttempts("Close one attempt at a time.")
        close_attempt(attempt=attempts[0], **acting(request), **data)
        return None
