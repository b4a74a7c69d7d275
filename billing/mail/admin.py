"""Mails, for staff: what was written to whom, what failed, and another try."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.mail.models import Mail
from billing.mail.services import has_server, resend_mails
from seats.errors import Refusal
from seats.readonly import ReadOnlyAdmin

NO_SERVER = (
    "No mail server is set (EMAIL_HOST, EMAIL_FROM): mails are held and not sent."
    " Once one is set, send them from here."
)


@admin.register(Mail)
class MailAdmin(ReadOnlyAdmin):
    list_display = [
        "template", "to", "agency", "subject", "state", "attempts", "next_attempt_at",
        "created_at", "sent_at", "last_error",
    ]  # fmt: skip
    list_select_related = ["agency"]
    list_filter = ["state", "template"]
    search_fields = ["subject", "subject_key", "agency__code"]
    exclude = ["lease_until"]
    actions = ["send_again"]

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        if not has_server():
            self.message_user(request, NO_SERVER, messages.WARNING)
        return super().changelist_view(request, extra_context)

    @admin.action(
        description="Send those that failed or are held", permissions=["view"]
    )
    def send_again(self, request: HttpRequest, mails: QuerySet[Mail]) -> None:
        ids = list(mails.values_list("pk", flat=True))
        try:
            count = resend_mails(mail_ids=ids, now=timezone.now())
        except Refusal as refusal:
            self.message_user(request, refusal.message, messages.WARNING)
        else:
            self.message_user(request, f"{count} queued.", messages.SUCCESS)
