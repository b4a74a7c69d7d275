"""All admin pages of the app, imported here because Django looks for them here."""

from django.contrib import admin

from seats.agencies.admin.staff import AgencyAdmin
from seats.api_keys.admin.staff import ApiKeyAdmin
from seats.members.admin.invitations import InvitationAdmin
from seats.members.admin.staff import GroupAdmin, LogEntryAdmin, MemberAdmin, UserAdmin
from seats.roster.admin.staff import AgentAdmin, SeatAdmin

# Lists need the width; every page links to the others at its top.
admin.site.enable_nav_sidebar = False

__all__ = [
    "AgencyAdmin",
    "AgentAdmin",
    "ApiKeyAdmin",
    "GroupAdmin",
    "InvitationAdmin",
    "LogEntryAdmin",
    "MemberAdmin",
    "SeatAdmin",
    "UserAdmin",
]
