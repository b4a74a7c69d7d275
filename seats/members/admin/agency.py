"""The pages of members and invitations, for members of agencies."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from core.admin.actions import ActionOutcome, Unchanged, work_each
from core.admin.member_actions import member_action
from core.admin.readonly import AddingAdmin, AddingForm
from core.admin.scoped import (
    ScopedAdmin,
    ScopedChoice,
    ScopedFilter,
    ScopedSelect,
    agency_page,
    reach_in,
)
from seats.access.domain import Action
from seats.agencies.models import Agency
from seats.members.admin.invitations import InvitationForm, revoke_effects, state_of
from seats.members.admin.roles import role_effects, role_form
from seats.members.models import Invitation, Member
from seats.members.queries import agencies_without_owner
from seats.members.services import change_role, end_members, revoke_invitation
from seats.roster.admin.forms import plain_form
from seats.roster.models import Agent


def end_effects(
    request: HttpRequest, members: list[Member], data: dict[str, Any] | None
) -> list[str]:
    """Sentences about the members who lose their access."""
    left = agencies_without_owner(members)
    return [
        Unchanged(f"{agency.code} would have no owner. Invite another owner first.")
        for agency in left
    ] or [
        f"{member.user} is no longer {member.get_role_display()} of"
        f" {member.agency.code} and no longer sees its data."
        for member in members
    ]


@agency_page(Member)
class MemberPage(ScopedAdmin):
    """Who is a member of the agency, and in which role."""

    menu = ("Team", "Members")
    agency_path = "agency"
    view = Action.VIEW_MEMBERS
    list_display = ["user", "role", "agency", "agent", "created_at"]
    list_select_related = ["user", "agency", "agent"]
    list_filter = [("agency", ScopedFilter), "role"]
    search_fields = ["user__email"]
    fields = ["user", "role", "agency", "agent", "created_at"]
    actions = ["change_role", "end"]

    @member_action(
        "Change role",
        permission=Action.CHANGE_MEMBERS,
        effects=role_effects,
        undo="Change it back.",
        done="changed",
        form=role_form,
        one_by_one=True,
        sensitive=True,
    )
    def change_role(
        self, request: HttpRequest, members: list[Member], data: dict[str, Any]
    ) -> ActionOutcome:
        member = change_role(member=members[0], role=data["role"], agent=data["agent"])
        summary = f"{member.user} is now {member.get_role_display()}"
        return ActionOutcome([member], summary=summary)

    @member_action(
        "End membership",
        permission=Action.CHANGE_MEMBERS,
        effects=end_effects,
        undo="Invite them again.",
        done="ended",
        form=plain_form,
        sensitive=True,
    )
    def end(
        self, request: HttpRequest, members: list[Member], data: dict[str, Any]
    ) -> None:
        end_members(members=members)


@agency_page(Invitation)
class InvitationPage(AddingAdmin, ScopedAdmin):
    """Who was invited; the link is in the mail alone."""

    menu = ("Team", "Invitations")
    agency_path = "agency"
    view = Action.VIEW_MEMBERS
    sensitive = True
    list_display = ["email", "role", "agency", "state", "created_at", "expires_at"]
    list_select_related = ["agency"]
    list_filter = [
        ("agency", ScopedFilter), "role",
        ("accepted_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    ]  # fmt: skip
    search_fields = ["email"]
    fields = [
        "email", "role", "agency", "agent", "state", "created_at", "expires_at",
    ]  # fmt: skip
    readonly_fields = ["state"]
    adding_form = InvitationForm
    adding_fields = InvitationForm.Meta.fields
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return reach_in(request).may(Action.CHANGE_MEMBERS)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            return form
        form.inviter = request.user
        # The page without the token, which is made when the form is saved.
        page = reverse("accept_invitation", args=["token"]).removesuffix("token/")
        form.page_url = request.build_absolute_uri(page)
        return type("InvitationForm", (form,), self._choices_of(request, form))

    def _choices_of(
        self, request: HttpRequest, form: type[AddingForm]
    ) -> dict[str, Any]:
        """The fields that refer to rows, with what the person may invite to."""
        fields: dict[str, Any] = {}
        for name, model in {"agency": Agency, "agent": Agent}.items():
            page: Any = self.admin_site.get_model_admin(model)
            rows = page.rows_for(
                request, model._default_manager.all(), Action.CHANGE_MEMBERS
            )
            field = Invitation._meta.get_field(name)
            fields[name] = ScopedChoice(
                page,
                rows.select_related("agency") if model is Agent else rows,
                ScopedSelect(page, field, Action.CHANGE_MEMBERS),
                required=model is Agency,
                help_text=form.base_fields[name].help_text,
            )
        own = reach_in(request).agencies(Action.CHANGE_MEMBERS)
        fields["agency"].initial = min(own, default=None)
        return fields

    @admin.display(description="state")
    def state(self, row: Invitation) -> str:
        return state_of(row)

    @member_action(
        "Revoke",
        permission=Action.CHANGE_MEMBERS,
        effects=lambda request, rows, data: revoke_effects(rows, data),
        undo="Invite the address again. The old link stays dead.",
        done="revoked",
        form=plain_form,
        sensitive=True,
    )
    def revoke(
        self, request: HttpRequest, rows: list[Invitation], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(row: Invitation) -> str | None:
            return None if revoke_invitation(invitation=row, now=now) else "had ended"

        return work_each(rows, work)
