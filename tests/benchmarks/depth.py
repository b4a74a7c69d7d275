"""Ingestion of events beside one million others and beside many millions.

BENCH_DEEP_MILLIONS says how many are many; three unless told, some minutes each ten.
"""

import os
from statistics import median

from django.db import connections

from billing.metering.services.ingest import ingest_events
from billing.metering.services.partitions import ensure_partitions
from tests import databases
from tests.benchmarks import ingest
from tests.benchmarks.worlds import make_agencies
from tests.build import MARCH

MILLION = 1_000_000
MANY = int(os.environ.get("BENCH_DEEP_MILLIONS", "3"))
# Older events of all agencies, with keys as random as digests are, and ids of their own.
FILL = """
    WITH event AS (
        INSERT INTO billing_usageevent (id, used_on, agency_id, agent_id, meter_id,
            breakdown, owner, source, external_id, occurred_at, received_at, raw,
            billable, properties, cutoff)
        SELECT -n, '2026-03-01'::date + (n %% 28)::int, agency.id, NULL, meter.id,
               'power', 0, '/old', 'call-' || n, '2026-03-01 12:00Z'::timestamptz
               + n %% 28 * interval '1 day', '2026-03-31', n %% 300,
               ceil(n %% 300 / 60.0) * 60, '{{"queue": "fe-1"}}', 1
        FROM generate_series(%(first)s::bigint, %(last)s) AS n
        JOIN seats_agency AS agency ON agency.code = 'B' || n %% %(agencies)s + 1
        JOIN billing_meter AS meter ON meter.code = 'voice.out'
        RETURNING id, used_on
    )
    INSERT INTO billing_eventkey (key, content, event_id, used_on)
    SELECT gen_random_uuid(), gen_random_uuid(), id, used_on FROM event
"""


def measure() -> dict[str, object]:
    """Rows a second of the service, and its ratio to plain COPY at the same depth."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=ingest.AGENCIES, seats=ingest.SEATS, on=MARCH)
    ensure_partitions([MARCH])
    report: dict[str, object] = {}
    filled = serial = 0
    rates = []
    for millions in (1, MANY):
        while filled < millions * MILLION:
            _fill(filled + 1, filled + MILLION)
            filled += MILLION
        rate, plain, serial = _rates(serial)
        rates.append(rate)
        report[f"beside {millions} million, rows/s"] = round(rate)
        report[f"beside {millions} million, of plain COPY"] = round(rate / plain, 2)
    report[f"beside {MANY} million / beside 1 million"] = round(rates[1] / rates[0], 2)
    databases.use("postgres")
    databases.drop(name)
    return report


def _fill(first: int, last: int) -> None:
    params = {"first": first, "last": last, "agencies": ingest.AGENCIES}
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute(FILL.format(), params)


def _rates(serial: int) -> tuple[float, float, int]:
    """The medians of the service, one agency a batch, and of COPY, interleaved."""
    rates, plain = [], []
    for _ in range(ingest.ROUNDS):
        batches = ingest._batches(serial, ingest._by_batch)
        serial += ingest.BATCH * ingest.BATCHES
        rates.append(
            ingest._rate(lambda b: ingest_events(b, owner=0, now=ingest.NOW), batches)
        )
        plain.append(ingest._rate(ingest._copy, ingest._as_copy_text(batches)))
    return median(rates), median(plain), serial
