"""Staff pages of support sessions: act as a member, and who did."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from core.admin.base import autocomplete
from core.admin.readonly import AddingAdmin, AddingForm, ReadOnlyAdmin, ReadOnlyInline
from core.audit import changes_because
from seats.members.models import User
from seats.support.domain import ACTING
from seats.support.models import SupportAccess, SupportSession, SupportView
from seats.support.services import start_session

READING = (
    "For 60 minutes, you see what this member sees. You change nothing, unless an owner"
    " of the agency allowed it. The agency sees this reason and every page you open."
)


class SessionForm(AddingForm):
    """Whom to act as, and why."""

    staff: User

    class Meta:
        model = SupportSession
        fields = ["agency", "user", "reason"]
        labels = {"user": "Member"}
        widgets = {
            "agency": autocomplete(SupportSession, "agency"),
            "user": autocomplete(SupportSession, "user"),
        }
        help_texts = {"reason": READING}

    def add(self, cleaned: dict[str, Any]) -> SupportSession:
        with changes_because(cleaned["reason"]):
            return start_session(**cleaned, staff=self.staff, now=timezone.now())


class ViewInline(ReadOnlyInline):
    """The pages that were opened."""

    model = SupportView
    fields = ["viewed_at", "method", "path", "http_status"]
    verbose_name_plural = "pages"


@admin.register(SupportSession)
class SupportSessionAdmin(AddingAdmin):
    """Support sessions; adding a session begins to act as the member."""

    menu = ("People and rights", "Acting as members")
    sensitive = True
    list_display = [
        "staff", "user", "agency", "reason", "started_at", "ended_at", "ending",
    ]  # fmt: skip
    list_select_related = ["staff", "user", "agency"]
    list_filter = ["ending"]
    search_fields = ["staff__email", "user__email", "agency__code"]
    fields = [
        "staff", "user", "agency", "reason", "started_at", "expires_at", "ended_at",
        "ending",
    ]  # fmt: skip
    adding_form = SessionForm
    adding_fields = SessionForm.Meta.fields
    inlines = [ViewInline]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.staff = request.user
        return form

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """From here on the staff user acts as the member, on the agency's pages."""
        request.session[ACTING] = obj.pk
        return redirect("agency:index")


@admin.register(SupportAccess)
class SupportAccessAdmin(ReadOnlyAdmin):
    """Owners who allow support to make changes; they alone do, on their own pages."""

    menu = ("People and rights", "Support access")
    list_display = ["agency", "allowed_by", "allowed_at", "until", "ended_at"]
    list_select_related = ["agency", "allowed_by"]
    search_fields = ["agency__code"]
    fields = ["agency", "allowed_by", "allowed_at", "until", "ended_at"]
