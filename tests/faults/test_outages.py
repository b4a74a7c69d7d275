"""A database that stops and comes back, and a broker that freezes, behind real doors."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
import redis

from config.services import places
from tests.faults.operations import attempt, block_of, manage, sql_of
from tests.postgres import Server, running_postgres
from tests.web import Visitor
from tests.workers import running_broker, running_web, start_beat, start_worker

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]
STAFF, PASSWORD = "staff@example.com", "correct horse battery"
EVENT = {
    "source": "/dialer", "id": "1", "agency": "SUNRISE", "meter": "voice.out",
    "quantity": 60, "occurred_at": "2026-03-06T14:42:48Z",
}  # fmt: skip
FROZEN = 25  # seconds in which every door has answered while the database hangs
SWEEPS = {"invoicing.close_due", "payments.process_events_due", "webhooks.deliver_due"}
SOON = 5  # seconds in which a door answers while the broker is frozen


@dataclass
class Service:
    """A database server, and what points the service at it."""

    server: Server
    environment: dict[str, str]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Set up as docs/operations.md says, on a bare server."""
    with (
        TemporaryDirectory(prefix="dialer-") as data,
        running_postgres(Path(data)) as server,
        TemporaryDirectory(prefix="dialer-") as queues,
        running_broker(Path(queues)) as broker,
    ):
        sql_of(server, "roles")
        environment = {
            "DATABASE_URL": server.url("dialer_app", "dialer"),
            "DATABASE_OWNER_URL": server.url("dialer_owner", "dialer"),
            "REDIS_URL": broker,
            "SECRET_KEY": "long and random, the same on every machine, 50 characters",
            "WEBHOOK_SECRETS_KEY": "long and random as well",
            "MFA_MANDATORY": "0",  # staff log in by password alone here
        }
        manage(environment, "migrate", "--database", "owner", "--verbosity", "0")
        manage(environment, "publish_default_prices")
        manage(
            {**environment, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
            "createsuperuser", "--noinput", "--email", STAFF,
        )  # fmt: skip
        yield Service(server, environment)


@pytest.fixture
def web(service: Service, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    log = tmp_path / "web.log"
    with running_web(service.environment, log) as port:
        yield port, log


def test_is_set_up_as_the_documentation_says(service):
    assert "no issues" in manage(service.environment, "check", "--database", "default")


def test_every_door_says_that_the_database_is_away(service, web):
    port, log = web
    scopes = ["seats:read", "usage:write", "authorize:read"]
    key = manage(
        service.environment, "create_key", "--platform", "--scope", *scopes
    ).strip()
    program, staff = Visitor(port, key=key), Visitor(port)
    assert staff.log_in(STAFF, PASSWORD).status == 302
    assert program.get("/api/v1/agencies").status == 200
    event = json.dumps(EVENT).encode()
    kind = {"Content-Type": "application/json"}

    service.server.stop()
    try:
        answers = {
            "a list": program.get("/api/v1/agencies"),
            "events": program.post("/api/v1/usage-events", event, **kind),
            "no key": Visitor(port).get("/api/v1/price-list"),
            "a wrong key": Visitor(port, key="dk_x").get("/api/v1/agencies"),
            "a processor": Visitor(port).post("/api/v1/processors/x/webhook", event),
        }
        page = staff.get("/admin/")
        form = Visitor(port).log_in(STAFF, PASSWORD)
        dialer = program.get("/api/v1/authorize?agent=ana&agency=SUNRISE")
        described = Visitor(port).get("/api/schema/")
        command = attempt(service.environment, "verify")
    finally:
        service.server.start()

    for door, answer in answers.items():
        assert (door, answer.status) == (door, 503)
        assert (door, answer.headers["Retry-After"]) == (door, "5")
        assert (door, answer.json()["code"]) == (door, "database_unavailable")
    for shown in (page, form):
        assert (shown.status, shown.headers["Retry-After"]) == (503, "5")
        assert "Temporarily unavailable" in shown.text
    assert (dialer.status, dialer.json()["checked"]) == (200, False)
    assert described.status == 200
    assert (command.returncode, command.stdout) == (1, "")
    assert command.stderr.startswith("The database cannot be reached: ")
    assert "Traceback" not in command.stderr
    assert "Traceback" not in log.read_text()
    assert program.get("/api/v1/agencies").status == 200
    assert staff.get("/admin/").status == 200


def test_workers_log_a_line_for_each_sweep_that_fails(service, tmp_path):
    """And go on by themselves once the database is back."""
    environment = {**service.environment, "SCHEDULE_SPEED": "8"}
    worker = start_worker(environment, tmp_path / "worker.log")
    beat = start_beat(environment, tmp_path / "beat.log")

    def wait_for(text: str, since: int = 0) -> int:
        deadline = time.monotonic() + 60
        while text not in (lines := worker.log.read_text()[since:]):
            assert time.monotonic() < deadline, lines[-2000:]
            time.sleep(0.1)
        return len(worker.log.read_text())

    try:
        size = wait_for("succeeded in")
        service.server.stop()
        try:
            size = wait_for("OperationalError", size)
            time.sleep(10)  # more than a minute of the schedule
        finally:
            service.server.start()
        wait_for("succeeded in", len(worker.log.read_text()))
    finally:
        beat.kill()
        worker.kill()

    lines = worker.log.read_text().splitlines()
    failed = [line for line in lines if " raised unexpected: " in line]
    assert {name for name in SWEEPS if any(name in line for line in failed)} == SWEEPS
    assert not [line for line in lines if "Traceback" in line or 'File "' in line]


def test_no_door_waits_for_a_frozen_database(service, web):
    port, log = web
    key = manage(
        service.environment, "create_key", "--platform",
        "--scope", "seats:read", "authorize:read",
    ).strip()  # fmt: skip
    program, staff = Visitor(port, key=key), Visitor(port)
    assert staff.log_in(STAFF, PASSWORD).status == 302
    for _ in range(8):  # threads keep connections, which stay open
        program.get("/api/v1/agencies")
        program.get("/api/v1/authorize?agent=ana&agency=SUNRISE")

    doors = {
        "dialer": lambda: program.get("/api/v1/authorize?agent=ana&agency=SUNRISE"),
        "a list": lambda: program.get("/api/v1/agencies"),
        "a processor": lambda: Visitor(port).post("/api/v1/processors/x/webhook", b"x"),
        "a page": lambda: staff.get("/admin/"),
        "a log-in": lambda: Visitor(port).log_in(STAFF, PASSWORD),
    }
    answers = []
    with service.server.frozen(), ThreadPoolExecutor(10) as pool:
        started = time.monotonic()
        visits = [(door, pool.submit(doors[door])) for door in [*doors] * 2]
        answers = [(door, visit.result()) for door, visit in visits]
        took = time.monotonic() - started

    for door, answer in answers:
        if door == "dialer":
            assert (answer.status, answer.json()["checked"]) == (200, False)
        else:
            assert (door, answer.status) == (door, 503)
            assert (door, answer.headers["Retry-After"]) == (door, "5")
    assert took < FROZEN
    assert "Traceback" not in log.read_text()
    deadline = time.monotonic() + FROZEN
    while program.get("/api/v1/agencies").status != 200:
        assert time.monotonic() < deadline
    assert staff.get("/admin/").status == 200


def test_no_door_waits_for_a_frozen_broker(service, web):
    port, log = web
    staff = Visitor(port)
    assert staff.log_in(STAFF, PASSWORD).status == 302
    make_parked_item(service)
    page = staff.get("/admin/billing/runitem/")
    (item,) = re.findall(r'name="_selected_action" value="(\d+)"', page.text)
    with redis.Redis.from_url(service.environment["REDIS_URL"]) as client:
        pid = client.info()["process_id"]

    os.kill(pid, signal.SIGSTOP)
    try:
        took = []
        for visit in (
            lambda: staff.submit(
                "/admin/billing/runitem/",
                {"action": "release", "_selected_action": item},
            ),
            lambda: Visitor(port).get("/api/v1/price-list"),
            lambda: Visitor(port).get("/api/v1/agencies"),
            lambda: Visitor(port).log_in(STAFF, PASSWORD),
        ):
            started = time.monotonic()
            answer = visit()
            took.append(time.monotonic() - started)
            assert answer.status < 500
    finally:
        os.kill(pid, signal.SIGCONT)

    assert max(took) < SOON
    assert "Traceback" not in log.read_text()
    assert "pending" in staff.get("/admin/billing/runitem/").text.lower()


def test_a_backup_is_restored_as_the_documentation_says(service, tmp_path):
    server = service.server
    with TemporaryDirectory(prefix="dialer-") as folder:
        dump = f"{places.make_private(Path(folder))}/billing.dump"
        run_tool(
            server,
            "backup",
            "DATABASE_OWNER_URL",
            server.url("dialer_owner", "dialer"),
            dump,
        )
        with pytest.raises(psycopg.errors.DuplicateObject):
            sql_of(server, "roles")
        sql_of(server, "again")
        run_tool(
            server,
            "restore",
            "DATABASE_OWNER_URL",
            server.url("dialer_owner", "restored"),
            dump,
        )
    restored = {
        **service.environment,
        "DATABASE_URL": server.url("dialer_app", "restored"),
        "DATABASE_OWNER_URL": server.url("dialer_owner", "restored"),
    }

    assert "no issues" in manage(restored, "check", "--database", "default")
    # Whatever is found in the one is found in the other, and nothing else.
    before, after = (
        attempt(environment, "verify")
        for environment in (service.environment, restored)
    )
    assert "differences" in after.stdout, after.stderr
    assert (after.returncode, after.stdout) == (before.returncode, before.stdout)


def run_tool(server: Server, block: str, name: str, url: str, dump: str) -> None:
    """The first command of a block, which is one of the server's own tools."""
    command = block_of(block).splitlines()[0]
    words = [
        word.replace(f"${name}", url).replace("billing.dump", dump)
        for word in shlex.split(command)
    ]
    server.run(*words)


def make_parked_item(service: Service) -> None:
    """A payer that waits for a person, made by a process of its own."""
    script = (
        "import django; django.setup();"
        "from datetime import UTC, date, datetime;"
        "from tests.build import make_agency, make_seats;"
        "from billing.invoicing.models.runs import RunItem;"
        "from billing.invoicing.services.runs import start_run;"
        "make_seats(make_agency(), 'ana');"
        "run = start_run(month=date(2026, 3, 1), actor='test',"
        " now=datetime(2026, 4, 2, tzinfo=UTC));"
        "RunItem.objects.filter(run=run).update(state='parked', code='error')"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            **service.environment,
            "DJANGO_SETTINGS_MODULE": "config.settings",
        },
        check=True,
        timeout=60,
    )
