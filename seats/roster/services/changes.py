"""Values that describe changes of seats, for services and receivers of signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core.periods import DateRange
from seats.roster.domain.versions import HolderClaim


@dataclass(frozen=True, slots=True)
class RemovedDates:
    """The dates to be removed from a seat, and all its holders on record."""

    seat_id: int
    dates: DateRange
    claims: Sequence[HolderClaim]


@dataclass(frozen=True, slots=True)
class Use:
    """The removed dates on which a seat was used: their number, and the last one."""

    days: int
    last: date
