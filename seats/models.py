"""All models of the app, imported here because Django looks for them here."""

from core.audit import History, history_as
from seats.agencies.models import Agency, AgencyZone, Upline
from seats.api_keys.models import ApiKey
from seats.audit.models import AuditEntry
from seats.cutoffs.models import CutoffCounter
from seats.members.models import Invitation, Member, User
from seats.roster.models import Agent, Seat, SeatHolding, SeatVersion
from seats.support.models import SupportAccess, SupportSession, SupportView

__all__ = [
    "Agency",
    "AgencyZone",
    "Agent",
    "ApiKey",
    "AuditEntry",
    "CutoffCounter",
    "Invitation",
    "Member",
    "Seat",
    "SeatHolding",
    "SeatVersion",
    "SupportAccess",
    "SupportSession",
    "SupportView",
    "Upline",
    "User",
]

# Models whose changes need no record of their own; the others are marked `audited`.
history_as(
    History.DERIVED,
    Seat,
    SeatHolding,
)
history_as(
    History.FACT,
    AuditEntry,
)
history_as(
    History.QUEUE,
    CutoffCounter,
)
