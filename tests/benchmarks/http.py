"""Ingestion over HTTP, with gunicorn and keep-alive clients, against plain COPY."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from socket import socket
from statistics import median

import msgspec
from django.conf import settings

from billing.metering.domain.events import IncomingEvent
from seats.api_keys.services import create_key
from tests import databases
from tests.benchmarks import ingest
from tests.benchmarks.worlds import make_agencies
from tests.build import MARCH

WORKERS, CLIENTS, ROUNDS = 2, 4, 3
PATH = "/api/v1/usage-events"


def measure() -> dict[str, object]:
    """Events per second end to end; the events of a request are of one agency."""
    name = databases.clone()
    databases.use(name)
    make_agencies(agencies=ingest.AGENCIES, seats=ingest.SEATS, on=MARCH)
    _, token = create_key(
        agency=None, scopes=["usage:write"], actor="bench", now=datetime.now(UTC)
    )
    over_http, copied, waits = [], [], []
    with server(name) as port:
        for n in range(ROUNDS):
            serial = n * ingest.BATCH * ingest.BATCHES
            batches = ingest._batches(serial, ingest._by_batch)
            rate, times = _post_all([_body(batch) for batch in batches], token, port)
            over_http.append(rate)
            waits += times
            copied.append(ingest._rate(ingest._copy, ingest._as_copy_text(batches)))
    databases.use("postgres")
    databases.drop(name)
    ratio = median(over_http) / median(copied)
    waits.sort()
    return {
        f"gunicorn, {WORKERS} workers, {CLIENTS} clients, events/s": round(
            median(over_http)
        ),
        "plain COPY, rows/s": round(median(copied)),
        "HTTP / COPY (goal 0.45)": round(ratio, 2),
        "a request, median, ms": round(median(waits) * 1000),
        "a request, 95 of 100, ms": round(waits[len(waits) * 95 // 100] * 1000),
    }


@contextmanager
def server(name: str) -> Iterator[int]:
    """gunicorn, set up as in production, on a port that was free."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        **databases.urls(name),
        "REDIS_URL": settings.REDIS_URL,
        "API_REQUESTS_A_MINUTE": "1000000",
        "AUTHORIZE_REQUESTS_A_MINUTE": "1000000",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", f"--workers={WORKERS}",
         f"--bind=127.0.0.1:{port}", "--log-level=warning"],
        env=environment,
        start_new_session=True,
    )  # fmt: skip
    try:
        _wait_until_up(port)
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _wait_until_up(port: int) -> None:
    for _ in range(100):
        try:
            client = HTTPConnection("127.0.0.1", port, timeout=5)
            client.request("GET", "/api/v1/price-list")
            client.getresponse().read()
            client.close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError("the server does not answer")


def _body(events: list[IncomingEvent]) -> bytes:
    return msgspec.json.encode(
        [
            {
                "source": event.source,
                "id": event.id,
                "agency": event.agency,
                "agent": event.agent,
                "meter": event.meter,
                "quantity": event.quantity,
                "occurred_at": event.occurred_at,
                "properties": event.properties,
            }
            for event in events
        ]
    )


def _post_all(bodies: list[bytes], token: str, port: int) -> tuple[float, list[float]]:
    """Events a second, and how long each request took."""
    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = [bodies[n::CLIENTS] for n in range(CLIENTS)]
        times = list(pool.map(lambda share: _post(share, token, port), shares))
    elapsed = time.perf_counter() - started
    events = len(bodies) * ingest.BATCH
    return events / elapsed, [
        seconds for worker_times in times for seconds in worker_times
    ]


def _post(bodies: list[bytes], token: str, port: int) -> list[float]:
    client = HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    times = []
    for body in bodies:
        started = time.perf_counter()
        client.request("POST", PATH, body, headers)
        answer = client.getresponse()
        payload = msgspec.json.decode(answer.read())
        assert payload.get("accepted") == ingest.BATCH, (answer.status, payload)
        times.append(time.perf_counter() - started)
    client.close()
    return times
