"""The monthly run against one set-based SQL statement, and with two processes."""

import os
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum

from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.models.runs import BillingRun
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.runs import start_run
from billing.pricing.models import PriceList
from tests import databases
from tests.benchmarks.worlds import add_usage, make_agencies

MONTH = date(2026, 3, 1)
NOW = datetime(2026, 4, 2, 12, tzinfo=UTC)
STATEMENT = Path(__file__).with_name("monthly.sql")
PLAN = Path(__file__).with_name("monthly.explain")
AGENCIES, SEATS, DAYS, ROUNDS = 2_000, 20, 4, 3
CLOSER = """
import django; django.setup()
from datetime import UTC, datetime
from billing.invoicing.services.closing import close_due
while close_due(now=datetime(2026, 4, 2, 12, tzinfo=UTC)): pass
"""


def measure() -> dict[str, object]:
    """Seconds and ratios; the sums of all variants are compared to the cent."""
    settings.BILLING["REVIEW_WINDOW"] = None
    base = databases.clone()
    databases.use(base)
    make_agencies(agencies=AGENCIES, seats=SEATS, on=MONTH)
    rows = add_usage(MONTH, days=DAYS)
    seconds: dict[str, list[float]] = {"sql": [], "one": [], "two": []}
    sums = set()
    for _ in range(ROUNDS):
        for name, work in (
            ("sql", _sql),
            ("one", _one_process),
            ("two", _two_processes),
        ):
            copy = _copy_of(base)
            seconds[name].append(work(copy))
            sums.add(_sum())
            lines = DocumentLine.objects.count()
            _forget(copy)
    databases.use(base)
    databases.drop(base)
    sql, single, double = (median(seconds[name]) for name in ("sql", "one", "two"))
    assert len(sums) == 1, sums
    return {
        "usage days": rows,
        "lines": lines,
        "sum, the same in all variants": str(sums.pop()),
        "one SQL statement, s": round(sql, 2),
        "service, one process, s": round(single, 2),
        "service, two processes, s": round(double, 2),
        "SQL / service (goal 0.6)": round(sql / single, 2),
        "two processes / one (goal 1.4)": round(single / double, 2),
    }


def _copy_of(base: str) -> str:
    databases.use("postgres")
    name = databases.clone(of=base)
    databases.use(name)
    return name


def _forget(name: str) -> None:
    databases.use("postgres")
    databases.drop(name)


def _sql(name: str) -> float:
    price_list = PriceList.objects.get()
    params: dict[str, Any] = {"month": MONTH, "cutoff": 1, "list": price_list.pk}
    statement = STATEMENT.read_text()
    started = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)
    elapsed = time.perf_counter() - started
    _explain(statement, params)
    return elapsed


def _explain(statement: str, params: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM billing_documentline")
        cursor.execute("DELETE FROM billing_document")
        cursor.execute(f"EXPLAIN (COSTS OFF) {statement}", params)
        PLAN.write_text("\n".join(row[0] for row in cursor.fetchall()) + "\n")
        transaction.set_rollback(True)


def _one_process(name: str) -> float:
    started = time.perf_counter()
    run = start_run(month=MONTH, actor="bench", now=NOW)
    while close_due(now=NOW, run=run):
        pass
    assert not BillingRun.objects.filter(finished_at=None).exists()
    return time.perf_counter() - started


def _two_processes(name: str) -> float:
    """Both processes are up before the clock starts; they wait for the plan."""
    environment = {
        **os.environ,
        **databases.urls(name),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "BILLING_REVIEW_SECONDS": "0",
    }
    code = CLOSER.replace("while close_due", "input()\nwhile close_due")
    closers = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE
        )
        for _ in range(2)
    ]
    time.sleep(3)
    started = time.perf_counter()
    start_run(month=MONTH, actor="bench", now=NOW)
    for closer in closers:
        assert closer.stdin
        closer.stdin.write(b"\n")
        closer.stdin.close()
    for closer in closers:
        assert closer.wait(300) == 0
    elapsed = time.perf_counter() - started
    assert not BillingRun.objects.filter(finished_at=None).exists()
    return elapsed


def _sum() -> Decimal:
    return DocumentLine.objects.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
