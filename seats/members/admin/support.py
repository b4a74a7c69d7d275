"""Who may use an agency, on its page for staff."""

from django.http import HttpRequest

from core.admin.panels import Panel, Table
from seats.agencies.admin.support import (
    AGENCY,
    SHOWN,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)
from seats.members.models import Invitation, Member


@AGENCY.panel("members", order=120, permission="seats.view_member")
def members_panel(request: HttpRequest, code: str) -> Panel:
    """Members with their roles, and when each logged in last."""
    agency = shown_agency(request, code)
    members = Member.objects.filter(agency=agency).select_related("user")
    rows = [
        [
            row_link("seats_member", member, member.user.email),
            member.get_role_display().replace("_", " "),
            member.user.last_login or "never",
            "" if member.user.is_active else "cannot log in",
        ]
        for member in first_rows(members.order_by("role", "user__email"))
    ]
    return Panel(
        key="members",
        title=f"Members (first {SHOWN})" if len(rows) == SHOWN else "Members",
        table=Table(
            ["Person", "Role", "Last log-in", "Note"],
            rows,
            empty="Nobody may log in for it. Invite its owner.",
        ),
        links=[
            list_for("All members", "seats_member", "agency", agency),
            list_for("Invitations", "seats_invitation", "agency", agency),
        ],
    )


@AGENCY.panel("invitations", order=125, permission="seats.view_invitation")
def invitations_panel(request: HttpRequest, code: str) -> Panel | None:
    """Invitations that nobody has accepted yet, if there are any."""
    agency = shown_agency(request, code)
    waiting = Invitation.objects.filter(
        agency=agency, accepted_at=None, revoked_at=None
    )
    rows = [
        [invitation.email, invitation.role.replace("_", " "), invitation.expires_at]
        for invitation in first_rows(waiting.order_by("-expires_at"))
    ]
    if not rows:
        return None
    return Panel(
        key="invitations",
        title="Invitations that were not accepted",
        table=Table(["Address", "Role", "Ends"], rows),
    )
