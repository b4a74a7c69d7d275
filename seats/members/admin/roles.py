"""Changing the role of a member: the form, and what it does."""

from typing import Any

from django import forms
from django.http import HttpRequest

from core.admin.actions import Unchanged
from core.admin.scoped import ScopedChoice, ScopedSelect
from seats.access.domain import Action
from seats.members.models import Member
from seats.members.queries import agencies_without_owner
from seats.roster.admin.forms import NoteForm
from seats.roster.models import Agent


class RoleForm(NoteForm):
    """The new role, and the agent that the member is, for the role agent."""

    role = forms.ChoiceField(choices=Member.Role)
    field_order = ["role", "agent", "reason"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        is_agent = cleaned.get("role") == Member.Role.AGENT
        if "role" in cleaned and is_agent != bool(cleaned.get("agent")):
            self.add_error(
                "agent", "Choose an agent for the role agent, and none for another."
            )
        return cleaned


def role_form(page: Any, request: HttpRequest, members: list[Member]) -> Any:
    """A form with the present role; it offers the agents of the member's agency."""
    (member, *_) = members
    offered = page.admin_site.get_model_admin(Agent)
    among = {"agency": member.agency_id}
    rows = offered.rows_for(request, Agent.objects.all(), Action.CHANGE_MEMBERS)
    field = Member._meta.get_field("agent")
    role = forms.ChoiceField(choices=Member.Role, initial=member.role)
    agent = ScopedChoice(
        offered,
        offered.narrowed(rows, among).select_related("agency"),
        ScopedSelect(offered, field, Action.CHANGE_MEMBERS, **among),
        required=False,
        initial=member.agent,
        help_text="Who the member is, for the role agent.",
    )
    return type("RoleForm", (RoleForm,), {"role": role, "agent": agent})


def role_effects(
    request: HttpRequest, members: list[Member], data: dict[str, Any] | None
) -> list[str]:
    """What the member may do from now on, in a sentence."""
    (member,) = members
    if data is None:
        return [
            (
                f"{member.user} is {member.get_role_display()} of {member.agency.code} and"
                " gets the role entered below."
            )
        ]
    role, agent = data["role"], data["agent"]
    if (role, agent) == (member.role, member.agent):
        return [Unchanged(f"{member.user} is {member.get_role_display()} already.")]
    if role != Member.Role.OWNER and (left := agencies_without_owner(members)):
        return [
            Unchanged(f"{agency.code} would have no owner. Invite another owner first.")
            for agency in left
        ]
    label = Member.Role(role).label
    identity = f" and is the agent {agent}" if agent else ""
    return [
        (
            f"{member.user} becomes {label} of {member.agency.code}{identity}, with the next"
            " page that is opened."
        )
    ]
