"""Admin page of invitations: invite somebody to an agency, and revoke that."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from core.admin.actions import ActionOutcome, staff_action, unchanged_if, work_each
from core.admin.base import autocomplete
from core.admin.readonly import AddingAdmin, AddingForm
from seats.members.models import Invitation, User
from seats.members.services import create_invitation, revoke_invitation


class InvitationForm(AddingForm):
    """Whom to invite, to what."""

    inviter: User
    page_url = ""

    class Meta:
        model = Invitation
        fields = ["agency", "email", "role", "agent"]
        widgets = {
            "agency": autocomplete(Invitation, "agency"),
            "agent": autocomplete(Invitation, "agent"),
        }
        help_texts = {
            "email": "A link is mailed to this address. It works once, for 7 days.",
            "agent": "For the role agent only: the agent whose seat and usage it is.",
        }

    def add(self, cleaned: dict[str, Any]) -> Invitation:
        return create_invitation(
            **cleaned,
            invited_by=self.inviter,
            page_url=self.page_url,
            now=timezone.now(),
        )


def revoke_effects(rows: list[Invitation], data: dict[str, Any] | None) -> list[str]:
    """Sentences about the invitations that can no longer be accepted."""
    return [
        unchanged_if(
            state_of(row) != "open",
            f"{row} is {state_of(row)}."
            if state_of(row) != "open"
            else f"{row}: the mailed link no longer works.",
        )
        for row in rows
    ]


def state_of(row: Invitation) -> str:
    """Whether it is open, accepted, revoked or expired, now."""
    if row.accepted_at:
        return "accepted"
    if row.revoked_at:
        return "revoked"
    return "open" if row.expires_at > timezone.now() else "expired"


@admin.register(Invitation)
class InvitationAdmin(AddingAdmin):
    """Members are invited; who accepts is one."""

    menu = ("People and rights", "Invitations")
    sensitive = True
    list_display = [
        "email", "agency", "role", "state", "invited_by", "created_at", "expires_at",
    ]  # fmt: skip
    list_select_related = ["agency", "invited_by"]
    list_filter = [
        "role",
        ("accepted_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    ]
    search_fields = ["email", "agency__code"]
    exclude = ["digest"]
    adding_form = InvitationForm
    adding_fields = InvitationForm.Meta.fields
    actions = ["revoke"]

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.inviter = request.user
        # The page without the token, which is made when the form is saved.
        page = reverse("accept_invitation", args=["token"]).removesuffix("token/")
        form.page_url = request.build_absolute_uri(page)
        return form

    @admin.display(description="state")
    def state(self, row: Invitation) -> str:
        return state_of(row)

    @staff_action(
        "Revoke",
        effects=revoke_effects,
        undo="Invite the address again. The old link stays dead.",
        done="revoked",
        sensitive=True,
    )
    def revoke(
        self, request: HttpRequest, rows: list[Invitation], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(row: Invitation) -> str | None:
            ended = revoke_invitation(invitation=row, now=now)
            return None if ended else "had ended"

        return work_each(rows, work)
