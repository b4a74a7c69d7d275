"""Values that describe changes of seats, for services and those who listen."""

from dataclasses import dataclass
from datetime import date

from seats.roster.models import Seat, SeatVersion


@dataclass(frozen=True, slots=True)
class Removal:
    """A seat about to end on a date."""

    seat: Seat
    removed_on: date


@dataclass(frozen=True, slots=True)
class Change:
    """A version that was written, and the agency's and holder's names for it."""

    version: SeatVersion
    seat_public_id: str
    agent_external_id: str
