"""Requests to authorize at a steady rate, against gunicorn."""

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from django.db import connections

from seats.api_keys.services import create_key
from seats.models import Agency
from tests import databases
from tests.benchmarks.authorize_client import AGENTS, ask
from tests.benchmarks.http import WORKERS, server
from tests.benchmarks.worlds import make_agencies
from tests.build import MARCH

AGENCIES = 500
RATE, GOAL = 500, 20
ROUNDS, SECONDS, CLIENTS = 3, 10, 4
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
    """The response times at a rate, and the highest rate."""
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
    with server(name) as port:
        ask(port, token, count=400, rate=0)  # connections and caches
        fastest = _all(port, token, count=RATE * 2, rate=0)
        web, database = _web_processes(port), _backends(name)
        before = _cpu(web), _cpu(database)
        rounds = [
            _all(port, token, count=RATE * SECONDS, rate=RATE) for _ in range(ROUNDS)
        ]
        requests = RATE * SECONDS * ROUNDS
        spent = (
            (_cpu(web) - before[0]) / requests,
            (_cpu(database) - before[1]) / requests,
        )
    databases.use("postgres")
    databases.drop(name)
    return {
        f"at {RATE} a second, median, ms": _each(rounds, 50),
        f"at {RATE} a second, 99 of 100, ms (goal {GOAL})": _each(rounds, 99),
        "answered of those a second": round(min(rate for rate, _ in rounds)),
        "CPU of gunicorn for one, ms": round(spent[0] * 1000, 2),
        "CPU of PostgreSQL for one, ms": round(spent[1] * 1000, 2),
        f"at most, {WORKERS} workers, {CLIENTS} clients, requests/s": round(fastest[0]),
        "then, median, ms": round(_part(fastest[1], 50), 1),
    }


def _all(port: int, token: str, *, count: int, rate: int) -> tuple[float, list[float]]:
    """Requests a second and their milliseconds; clients are processes of their own."""
    command = [sys.executable, "-m", "tests.benchmarks.authorize_client", str(port), token,
               str(count // CLIENTS), str(rate / CLIENTS)]  # fmt: skip
    with ThreadPoolExecutor(CLIENTS) as pool:
        outputs = list(
            pool.map(
                lambda _: (
                    subprocess.run(command, check=True, capture_output=True).stdout
                ),
                range(CLIENTS),
            )
        )
    runs = [
        msgspec.json.decode(output, type=tuple[float, list[float]])
        for output in outputs
    ]
    times = sorted(time for _, run_times in runs for time in run_times)
    return sum(len(run_times) / took for took, run_times in runs), times


def _each(rounds: list[tuple[float, list[float]]], percent: int) -> str:
    """The percentile of each round, from best to worst: the machine may be shared."""
    values = sorted(_part(times, percent) for _, times in rounds)
    return " / ".join(f"{value:.1f}" for value in values)


def _part(times: list[float], percent: int) -> float:
    return times[len(times) * percent // 100]


def _web_processes(port: int) -> list[int]:
    """gunicorn and its workers."""
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue  # it has just ended
        if f"--bind=127.0.0.1:{port}".encode() in command:
            pids.append(int(process.name))
    return pids


def _backends(name: str) -> list[int]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name])
        return [pid for (pid,) in cursor.fetchall()]


def _cpu(processes: Iterable[int]) -> float:
    """Seconds that they have used so far, in user and in kernel mode."""
    ticks = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
