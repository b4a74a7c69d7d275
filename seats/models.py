"""All models of the app, imported here because Django looks for them here."""

from seats.agencies.models import Agency, AgencyZone, Upline
from seats.api_keys.models import ApiKey
from seats.cutoffs.models import CutoffCounter
from seats.members.models import Invitation, Member, User
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion

__all__ = [
    "Agency",
    "AgencyZone",
    "Agent",
    "ApiKey",
    "CutoffCounter",
    "Invitation",
    "Member",
    "Seat",
    "SeatHolding",
    "SeatVersion",
    "Upline",
    "User",
]
