"""The seats and holders behind a seat line, with their days and amounts."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from billing.invoicing.models.documents import DocumentLine
from billing.pricing.domain.proration import seat_parts
from core.periods import DateRange, month_range
from core.postgres.roles import engine_rights
from seats.models import Agent, Seat, SeatVersion
from seats.roster.domain.versions import holdings_of
from seats.roster.services.recording import read_versions


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A holder of a seat: the seat days in the month, and their part of the charge."""

    seat_id: int
    seat: UUID
    agent: str
    days: int
    amount: Decimal


def seats_behind(line: DocumentLine) -> list[StatementRow]:
    """The rows behind a seat line, which comes with its document."""
    return seat_statement(
        agency_id=line.agency_id,
        month=line.month,
        cutoff=line.cutoff,
        charge=line.charge,
        currency=line.document.currency,
    )


@engine_rights()
def seat_statement(
    *, agency_id: int, month: date, cutoff: int, charge: Decimal, currency: str
) -> list[StatementRow]:
    """The rows of an agency's seat charge, as of a cut-off. They sum to the charge.

    A date belongs to its last holder. Holders without a date in the month are left out.
    """
    recorded = SeatVersion.objects.filter(agency=agency_id, cutoff__lte=cutoff)
    whole = month_range(month)
    held = [
        (seat_id, holding.agent_id, days)
        for seat_id, versions in read_versions(recorded).items()
        for holding in holdings_of(versions)
        if (days := DateRange(holding.starts_on, holding.ends_on).overlap_days(whole))
    ]
    names = dict(
        Agent.objects.filter(pk__in={agent for _, agent, _ in held}).values_list(
            "pk", "external_id"
        )
    )
    seats = dict(
        Seat.objects.filter(pk__in={seat for seat, _, _ in held}).values_list(
            "pk", "public_id"
        )
    )
    parts = seat_parts(
        charge=charge, days=[days for _, _, days in held], currency=currency
    )
    return [
        StatementRow(seat_id, seats[seat_id], names[agent_id], days, part)
        for (seat_id, agent_id, days), part in zip(held, parts, strict=True)
    ]
