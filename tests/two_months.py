"""Two months of an agency, billed: seats for a part of a month, calls, a late call."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from billing.receivables.services.payments import receive_payment
from core.periods import next_month
from seats.models import Agency
from seats.roster.services.seats import remove_seats
from tests.build import MARCH, bill, call, documents_of, make_agency, make_seats, use


def at(day: date, hour: int = 16) -> datetime:
    """An hour of a day, UTC."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def make_two_months(first: date = MARCH, code: str = "SUNRISE") -> Agency:
    """First month: ana, ben, and cara for 10 days. Second: ana, ben, dan.

    A call of the first month comes late, and 40.00 were paid for it by transfer.
    """
    second = next_month(first)
    early, later = at(first), at(second + timedelta(days=1))
    agency = make_agency(code, now=early)
    _, _, cara = make_seats(agency, "ana", "ben", "cara", on=first, now=early)
    remove_seats(
        seats=[cara], on=first.replace(day=11), actor="test", now=early, staff=True,
        reason="test",
    )  # fmt: skip
    tenth = at(first.replace(day=10))
    use(
        *(call(code, agent=agent, id=f"{code}-{agent}", occurred_at=tenth)
          for agent in ("ana", "ben", None)),
        now=at(first.replace(day=28)),
    )  # fmt: skip
    bill(first)
    make_seats(agency, "dan", on=second, now=later)
    late = call(code, agent="ana", id=f"{code}-late", occurred_at=tenth)
    use(late, now=later + timedelta(days=1))
    ninth = at(second.replace(day=9))
    calls = [call(code, agent="ben", occurred_at=ninth) for _ in range(9)]
    use(*calls, now=at(second.replace(day=28)))
    receive_payment(
        payer=agency, amount=Decimal(40), currency="USD", processor="manual",
        reference="wire 1", now=at(second.replace(day=2), 15), method="bank_transfer",
        document=documents_of(agency)[0],
    )  # fmt: skip
    bill(second)
    return agency
