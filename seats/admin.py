"""Table of contents of the admin, for Django."""

from seats.agencies.admin import AgencyAdmin
from seats.members.admin import MemberAdmin, UserAdmin
from seats.roster.admin import AgentAdmin, SeatAdmin

__all__ = ["AgencyAdmin", "AgentAdmin", "MemberAdmin", "SeatAdmin", "UserAdmin"]
