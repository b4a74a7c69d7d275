"""Month totals of an agency beside many events, and events page by page."""

import re
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from statistics import median

from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from billing.invoicing.domain.downloads import DOWNLOADS
from billing.invoicing.domain.itemized import MonthPrices, itemize_calls
from billing.invoicing.queries.month_usage import rounding_report
from billing.metering.api.pagination import ByDateAndId
from billing.metering.models import UsageDay
from billing.metering.queries.event_store import counted_events
from billing.metering.queries.usage import usage_events, usage_totals
from billing.pricing.models import Meter
from billing.pricing.queries import published_price_list
from core.periods import month_range
from seats.models import Agency
from tests import databases
from tests.benchmarks.worlds import add_usage, make_agencies

MONTH = date(2026, 3, 1)
AGENCIES, SEATS, METERS, DAYS = 500, 20, 4, 28
FEW, MANY = 10, 1_000  # events behind a usage day
AGENCIES_READ, GOAL = 60, 50
ON_ONE_DATE = 1_000_000
EVENTS = """
    INSERT INTO billing_usageevent (id, used_on, agency_id, meter_id, breakdown, owner,
        source, external_id, occurred_at, received_at, raw, billable, properties, cutoff)
    SELECT nextval('billing_usageevent_id_seq'), %(on)s, %(agency)s, %(meter)s, 'power',
           0, '/bench', 'call ' || n, %(on)s::timestamptz + n * interval '50 ms',
           %(on)s, n %% 300, ceil(n %% 300 / 60.0) * 60, '{}', counter.cutoff
    FROM generate_series(1, %(many)s) n, seats_cutoffcounter AS counter
    WHERE counter.agency_id = %(agency)s
"""


def measure() -> dict[str, object]:
    """Milliseconds; the totals also with a hundred times the events behind them."""
    few, few_days = _totals(FEW)
    many, many_days = _totals(MANY)
    assert few_days == many_days
    return {
        "usage days": few_days,
        "month totals of an agency, "
        f"{few_days * FEW / 10**6:.0f} million events, ms (goal {GOAL})": round(few, 1),
        f"with {few_days * MANY / 10**6:.0f} million events, ms": round(many, 1),
        **_one_date(),
    }


def _totals(events: int) -> tuple[float, int]:
    """The median for one agency after another, and how many days there are."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=AGENCIES, seats=SEATS, on=MONTH)
    rows = add_usage(MONTH, days=DAYS, meters=METERS, events=events)
    ids = list(
        Agency.objects.order_by("id").values_list("pk", flat=True)[:AGENCIES_READ]
    )
    _assert_by_index(ids[0])
    times = [_milliseconds(partial(_month, agency_id)) for agency_id in ids]
    assert UsageDay.objects.filter(agency=ids[0]).first().events == events  # type: ignore[union-attr]
    databases.use("postgres")
    databases.drop(name)
    return median(times), rows


def _month(agency_id: int) -> None:
    usage_totals(agency_ids=[agency_id], dates=month_range(MONTH), group_by=["meter"])


def _assert_by_index(agency_id: int) -> None:
    with CaptureQueriesContext(connection) as queries:
        _month(agency_id)
    (statement,) = (query["sql"] for query in queries if "usageday" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + statement.replace("%", "%%"))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan on billing_usageday" not in plan, plan
    assert re.search(r"Index Scan (using|on) (one_)?usage_day", plan), plan


def _one_date() -> dict[str, object]:
    """A page, a download and a report over a million events of one date."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=1, seats=1, on=MONTH)
    add_usage(MONTH, days=1, meters=1)
    agency = Agency.objects.get()
    calls = Meter.objects.get(code="voice.out")
    with connections["owner"].cursor() as cursor:
        cursor.execute(EVENTS, {"on": MONTH, "agency": agency.pk, "meter": calls.pk,
                                "many": ON_ONE_DATE})  # fmt: skip
        cursor.execute("ANALYZE billing_usageevent")
    page = _milliseconds(lambda: _second_page(agency))
    report = _milliseconds(lambda: rounding_report(agency=agency, month=MONTH))
    seconds = {kind: _download(agency, calls, kind) for kind in DOWNLOADS}
    databases.use("postgres")
    databases.drop(name)
    return {
        f"two pages of 100 of {ON_ONE_DATE:,} events of one date, ms": round(page),
        f"the cost of rounding over {ON_ONE_DATE:,} events, ms": round(report),
        **{
            f"calls to {kind}, rows/s": round(ON_ONE_DATE / took)
            for kind, took in seconds.items()
        },
    }


def _second_page(agency: Agency) -> None:
    """Beyond a cursor, in the middle of the date."""
    events = usage_events(agency_id=agency.pk, dates=month_range(MONTH))
    pages = ByDateAndId()
    factory = APIRequestFactory(SERVER_NAME="127.0.0.1")
    pages.paginate_queryset(events, Request(factory.get("/?limit=100")))
    following = pages.get_paginated_response([]).data["next"]
    assert len(pages.paginate_queryset(events, Request(factory.get(following)))) == 100


def _download(agency: Agency, meter: Meter, kind: str) -> float:
    prices = published_price_list("USD", MONTH)
    events = counted_events(
        agency_id=agency.pk, month=MONTH, meter_id=meter.pk, cutoff=1
    )
    calls = itemize_calls(
        events,
        prices=MonthPrices(prices.rate(meter.code), seat_days=31, month=MONTH),
        counted_before=lambda cutoff: False,
        in_seconds=True,
    )
    started = time.perf_counter()
    for _ in DOWNLOADS[kind].pieces(calls):
        pass
    return time.perf_counter() - started


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
