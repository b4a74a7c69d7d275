"""Table of contents of the admin, for Django."""

from seats.agencies.admin import AgencyAdmin
from seats.keys.admin import ApiKeyAdmin
from seats.members.admin import MemberAdmin, UserAdmin
from seats.roster.admin import AgentAdmin, SeatAdmin

__all__ = [
    "AgencyAdmin",
    "AgentAdmin",
    "ApiKeyAdmin",
    "MemberAdmin",
    "SeatAdmin",
    "UserAdmin",
]
