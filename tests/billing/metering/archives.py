"""A small history whose March can be archived."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.db import connection

from billing.metering.domain.events import EventRow
from billing.metering.models import ArchivedMonth, UsageEvent
from billing.metering.queries.event_store import events_of
from billing.metering.services.archiving import archive_month
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    call,
    make_agency,
    make_prices,
    make_seats,
    use,
)

LATER = datetime(2026, 9, 10, 12, tzinfo=UTC)
MARCH_31 = datetime(2026, 3, 31, 12, tzinfo=UTC)


def play() -> None:
    """Create two agencies with March and April billed, late events and odd properties."""
    make_prices()
    for code in ("SUNRISE", "PACIFIC"):
        make_seats(make_agency(code, zone="America/New_York"), "ana")
        use(
            *[
                call(
                    code,
                    agent=["ana", None][n % 2],
                    meter=["voice.out", "sms.segment"][n % 3 == 0],
                    quantity=Decimal(n) + Decimal("0.000001") * (n % 2),
                    occurred_at=MARCH_31 - timedelta(hours=7 * n),
                    properties={
                        "dial_mode": "power", "note": 'Ünï "\\', "score": 0.1,
                        "deep": {"list": [1, None, True]},
                    },
                )
                for n in range(40)
            ]
        )  # fmt: skip
    bill(MARCH)
    use(call(quantity=Decimal(61)), call("PACIFIC"), now=APRIL_2)  # late, for March
    use(call(occurred_at=APRIL_2), now=APRIL_2)
    bill(APRIL)


def in_order() -> list[EventRow]:
    return sorted(events_of(), key=lambda row: row.id)


def archive(month: date = MARCH, now: datetime = LATER) -> ArchivedMonth:
    return archive_month(month=month, actor="test", now=now)


def take_back(event: UsageEvent) -> None:
    """Write the rows that a correction writes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_usageevent
            SELECT nextval('billing_usageevent_id_seq'), used_on, event.agency_id,
                   agent_id, meter_id, breakdown, owner, source, external_id,
                   occurred_at, received_at, -raw, -billable, properties,
                   counter.cutoff, NULL, event.id
            FROM billing_usageevent AS event JOIN seats_cutoffcounter AS counter USING (agency_id)
            WHERE event.id = %s
            """,
            [event.id],
        )
        cursor.execute(
            """
            INSERT INTO billing_usageday (agency_id, used_on, meter_id, agent_id,
                                          breakdown, cutoff, events, raw, billable)
            SELECT agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
                   -1, raw, billable
            FROM billing_usageevent WHERE reverses = %s
            """,
            [event.id],
        )
