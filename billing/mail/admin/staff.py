"""Admin page of mails: recipients, state and errors, and sending failed ones again."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.mail.models import PERSONAL, Mail
from billing.mail.services.outbox import has_server, resend_mails
from core.admin.actions import ActionOutcome, Unchanged, staff_action
from core.admin.readonly import ReadOnlyAdmin

NO_SERVER = (
    "No mail server is configured, so mails are held instead of sent. Set EMAIL_HOST and"
    " EMAIL_FROM, then send the held mails from this page."
)

HIDDEN = "Hidden: it holds a link that is for the addressee alone."
WAITING = {Mail.State.FAILED, Mail.State.HELD}


def send_effects(mails: list[Mail], data: dict[str, Any] | None) -> list[str]:
    """Sentences about the mails that are sent again, and those that are not."""
    return [
        f'"{mail.subject}" of {mail.created_at:%Y-%m-%d} is sent to {", ".join(mail.to)}.'
        if mail.state in WAITING
        else Unchanged(f'"{mail.subject}" is {mail.state} and is not sent again.')
        for mail in mails
    ]


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    """Mails that wait, were sent or failed; failed ones can be sent again."""

    menu = ("Documents", "Mails")
    list_display = [
        "subject", "to", "agency", "state", "last_error", "created_at", "sent_at",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = ["state", "template"]
    search_fields = ["subject", "subject_key", "agency__code"]
    fields = [
        "agency", "template", "subject_key", "to", "subject", "content", "state",
        "attempts", "next_attempt_at", "last_error", "created_at", "sent_at",
    ]  # fmt: skip
    readonly_fields = ["content"]
    actions = ["send_again"]

    @admin.display(description="text")
    def content(self, mail: Mail) -> str:
        return HIDDEN if mail.template in PERSONAL else mail.text

    def lookup_allowed(
        self, lookup: str, value: Any, request: HttpRequest | None = None
    ) -> bool:
        """Comparing texts would let people guess hidden ones letter by letter."""
        if lookup.partition("__")[0] in {"text", "html"}:
            return False
        return super().lookup_allowed(lookup, value, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        if not has_server():
            self.message_user(request, NO_SERVER, messages.WARNING)
        return super().changelist_view(request, extra_context)

    @staff_action(
        "Send failed and held mails again",
        effects=send_effects,
        undo="A sent mail cannot be recalled.",
        done="queued",
    )
    def send_again(
        self, request: HttpRequest, mails: list[Mail], data: dict[str, Any]
    ) -> ActionOutcome:
        waiting = [mail for mail in mails if mail.state in WAITING]
        ids = [mail.pk for mail in waiting]
        count = resend_mails(mail_ids=ids, now=timezone.now())
        others = [mail for mail in mails if mail.state not in WAITING]
        why = "neither failed nor held"
        return ActionOutcome(
            waiting, [(mail, why) for mail in others], summary=f"{count} queued"
        )
