"""Values that describe changes of seats, for services and those who listen."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from seats.periods import DateRange
from seats.roster.models import SeatVersion
from seats.roster.versions import HolderClaim


@dataclass(frozen=True, slots=True)
class Loss:
    """Dates a seat is about to lose, and everybody who was its holder on record."""

    seat_id: int
    dates: DateRange
    claims: Sequence[HolderClaim]


@dataclass(frozen=True, slots=True)
class Use:
    """The use of a seat on dates it is about to lose: how many, and the last one."""

    days: int
    last: date


@dataclass(frozen=True, slots=True)
class SeatChange:
    """A version that was written, and the agency's and holder's names for it."""

    version: SeatVersion
    seat_public_id: str
    agent_external_id: str
