"""What a document costs after 24 billed months, against after one."""

import time
from datetime import UTC, date, datetime, timedelta
from statistics import median

from django.conf import settings

from billing.invoicing.models.documents import Document
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.runs import start_run
from core.periods import next_month
from tests import databases
from tests.benchmarks.worlds import add_usage, make_agencies

AGENCIES, SEATS, METERS, DAYS, MONTHS = 100, 10, 4, 10, 27
EDGE = 3  # months at each end that are averaged, the very first left out


def measure() -> dict[str, object]:
    """Milliseconds per document, early and late, and their ratio."""
    settings.BILLING["REVIEW_WINDOW"] = None
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=AGENCIES, seats=SEATS, on=date(2026, 1, 1))
    month, seconds = date(2026, 1, 1), []
    for _ in range(MONTHS):
        add_usage(month, days=DAYS, meters=METERS)
        now = datetime.combine(next_month(month), datetime.min.time(), UTC)
        now += timedelta(days=1)
        before = Document.objects.count()
        started = time.perf_counter()
        run = start_run(month=month, actor="bench", now=now)
        while close_due(now=now, run=run):
            pass
        written = Document.objects.count() - before
        seconds.append((time.perf_counter() - started) / written)
        month = next_month(month)
    databases.use("postgres")
    databases.drop(name)
    early, late = median(seconds[1 : 1 + EDGE]), median(seconds[-EDGE:])
    return {
        "per document after 1 to 3 months, ms": round(early * 1000, 2),
        "per document after 24 to 26 months, ms": round(late * 1000, 2),
        "late / early (goal 1.1)": round(late / early, 2),
    }
