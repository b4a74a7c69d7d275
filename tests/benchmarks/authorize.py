"""Asking whether an agent may dial, at a steady rate, against gunicorn."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
from django.db import connections

from seats.keys.services import create_key
from seats.models import Agency
from tests import databases
from tests.benchmarks.authorize_client import AGENTS, ask
from tests.benchmarks.http import WORKERS, _server
from tests.benchmarks.worlds import make_agencies
from tests.build import MARCH

AGENCIES = 500
RATE, GOAL = 500, 20
SECONDS, CLIENTS = 10, 4
BUDGETS = """
    INSERT INTO billing_budget (agency_id, amount, hard, thresholds, since, created_at,
                                changed_by)
    SELECT id, 100, true, '{50,100}', date_trunc('month', now())::date, now(), 'bench'
    FROM seats_agency;
    INSERT INTO billing_budgetmonth (budget_id, month, used, expected, evaluated_at)
    SELECT id, since, 50, 60, now() FROM billing_budget;
    ANALYZE
"""


def measure() -> dict[str, object]:
    """How long answers take at a rate, and how many there are at most."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=AGENCIES, seats=AGENTS, on=MARCH)
    with connections["owner"].cursor() as cursor:
        for statement in BUDGETS.split(";"):
            cursor.execute(statement)
    agency = Agency.objects.get(code="B7")
    _, token = create_key(
        agency=agency, scopes=["authorize:read"], actor="bench", now=datetime.now(UTC)
    )
    with _server(name) as port:
        ask(port, token, count=400, rate=0)  # connections and caches
        fastest = _all(port, token, count=RATE * 2, rate=0)
        at_rate = _all(port, token, count=RATE * SECONDS, rate=RATE)
    databases.use("postgres")
    databases.drop(name)
    return {
        f"at {RATE} a second, median, ms": round(_part(at_rate[1], 50), 1),
        f"at {RATE} a second, 99 of 100, ms (goal {GOAL})": round(
            _part(at_rate[1], 99), 1
        ),
        "answered of those a second": round(at_rate[0]),
        f"at most, {WORKERS} workers, {CLIENTS} clients, requests/s": round(fastest[0]),
        "then, median, ms": round(_part(fastest[1], 50), 1),
    }


def _all(port: int, token: str, *, count: int, rate: int) -> tuple[float, list[float]]:
    """Requests a second and their milliseconds; clients are processes of their own."""
    command = [sys.executable, "-m", "tests.benchmarks.authorize_client", str(port), token,
               str(count // CLIENTS), str(rate / CLIENTS)]  # fmt: skip
    with ThreadPoolExecutor(CLIENTS) as pool:
        told = list(
            pool.map(
                lambda _: (
                    subprocess.run(command, check=True, capture_output=True).stdout
                ),
                range(CLIENTS),
            )
        )
    runs = [msgspec.json.decode(one, type=tuple[float, list[float]]) for one in told]
    times = sorted(one for _, several in runs for one in several)
    return sum(len(several) / took for took, several in runs), times


def _part(times: list[float], percent: int) -> float:
    return times[len(times) * percent // 100]
