"""What every format gives: a numbered row that is an event, or says why not. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from billing.metering.events import IncomingEvent, Verdict, rejected


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, counted from 1."""

    number: int
    event: IncomingEvent | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class FileContext:
    """What a file does not say itself.

    `agency` is the code of the agency it is of; `zone` the one its local times are
    in; `source` names the file's origin in every event.
    """

    agency: str
    zone: ZoneInfo
    source: str


class BadRow(Exception):
    """A row that is no event; the verdict says why."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.verdict = rejected(code, field, message)


def parse_quantity(text: str, field: str) -> Decimal:
    """A plain decimal number. Raises BadRow."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise BadRow("bad_quantity", field, f"{text[:40]!r} is no number.")
    return number


def parse_time(text: str, field: str, zone: ZoneInfo) -> datetime:
    """An instant in UTC; without an offset it is local to the zone.

    A local time that a change of clocks makes twice is its first; one that it skips
    is as far after the change as it says. Raises BadRow.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise BadRow("bad_time", field, f"{text[:40]!r} is no time.") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise BadRow("bad_time", field, f"{text[:40]!r} is out of range.") from error
