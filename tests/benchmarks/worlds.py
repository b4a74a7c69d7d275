"""Large data sets for the benchmarks, made by SQL as the owner."""

from datetime import date
from typing import Any

from django.db import connections

from billing.metering.services.partitions import ensure_partitions
from billing.pricing.models import Meter
from tests.build import make_prices

METERS = 8
MONTH_DAYS = 28

AGENCIES = """
    INSERT INTO seats_agency (code, name, currency, created_at)
    SELECT 'B' || n, 'Bench ' || n, 'USD', '2026-01-01' FROM generate_series(1, %(n)s) n;
    INSERT INTO seats_agencyzone (agency_id, zone, starts_on, recorded_at)
    SELECT id, 'America/New_York', '2026-01-01', '2026-01-01' FROM seats_agency;
    INSERT INTO seats_cutoffcounter (agency_id, cutoff) SELECT id, 1 FROM seats_agency;
    INSERT INTO billing_billingaccount (payer_id, billing_name, address, email, tax_id,
                                 next_number, last_hash)
    SELECT id, name, '', '', '', 1, '' FROM seats_agency;
    INSERT INTO seats_agent (agency_id, external_id, name, email, npn, created_at)
    SELECT id, 'agent' || n, 'Agent ' || n, '', '', '2026-01-01'
    FROM seats_agency, generate_series(1, %(seats)s) n;
    INSERT INTO seats_seat (agency_id, agent_id, added_on, cancelled, version)
    SELECT agency_id, id, %(on)s, false, 1 FROM seats_agent;
    INSERT INTO seats_seatholding (seat_id, agent_id, agency_id, starts_on)
    SELECT id, agent_id, agency_id, added_on FROM seats_seat;
    INSERT INTO seats_seatversion (seat_id, agency_id, number, action, agent_id,
        held_from, added_on, cancelled, actor, reason, cutoff, recorded_at)
    SELECT id, agency_id, 1, 'add', agent_id, added_on, added_on, false, 'bench', '',
           1, '2026-01-01' FROM seats_seat;
    ANALYZE
"""
USAGE = """
    INSERT INTO billing_usageday (agency_id, agent_id, meter_id, breakdown, used_on,
                                  cutoff, events, raw, billable)
    SELECT agent.agency_id, agent.id, meter.id, 'power', %(month)s::date + day,
           counter.cutoff, %(events)s, 600 + (agent.id * 7 + day * 13) %% 90,
           720 + ((agent.id + day) %% 5) * 60
    FROM seats_agent AS agent
    JOIN seats_cutoffcounter AS counter USING (agency_id)
    CROSS JOIN billing_meter AS meter
    CROSS JOIN generate_series(0, %(days)s - 1) AS day
    WHERE meter.id = ANY(%(meters)s)
    ORDER BY 1, 5, 3, 2
"""


def make_agencies(*, agencies: int, seats: int, on: date) -> None:
    """Agencies with seats from a date on, and the default prices."""
    make_prices()
    with connections["owner"].cursor() as cursor:
        for statement in AGENCIES.split(";"):
            cursor.execute(statement, {"n": agencies, "seats": seats, "on": on})


def add_usage(month: date, *, days: int, meters: int = METERS, events: int = 10) -> int:
    """Usage days of so many events for every agent and meter; how many rows."""
    ensure_partitions([month])
    ids = list(Meter.objects.order_by("code").values_list("pk", flat=True)[:meters])
    params: dict[str, Any] = {
        "month": month,
        "days": days,
        "meters": ids,
        "events": events,
    }
    with connections["owner"].cursor() as cursor:
        cursor.execute(USAGE, params)
        rows = int(cursor.rowcount)
        cursor.execute("ANALYZE billing_usageday")
    return rows
