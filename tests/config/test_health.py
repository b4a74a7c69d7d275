"""Health says what is down, in time, whatever is down."""

import shutil
import socket
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from billing.recurring.models import Pulse
from billing.recurring.services import record_pulse
from config import health
from config.celeryconfig import QUEUES
from config.health import (
    read_broker,
    read_database,
    read_disks,
    read_queues,
    read_workers,
)
from config.http.limits import client_of
from tests.staff import log_in, make_staff
from tests.workers import ALL_QUEUES

pytestmark = pytest.mark.django_db
PAGE = reverse("admin:health")


@pytest.fixture
def silent_broker(settings):
    """A server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}/0"
        yield


@pytest.fixture
def no_broker(settings):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def own_broker(settings, module_broker):
    settings.REDIS_URL = module_broker


def beat(*queues: str, ago: timedelta = timedelta(0)) -> None:
    for queue in queues:
        record_pulse(queue=queue, now=timezone.now() - ago)


def states(*, messages: dict[str, int] | None = None) -> dict[str, str]:
    broker = health.Reading("Broker", "works", "")
    readings = read_workers(broker, messages or {}, now=timezone.now())
    return {reading.name: reading.state for reading in readings}


def rows(page, key="servers"):
    panels = {panel.key: panel for panel in page.context["panels"]}
    return {row[0]: row[1] for row in panels[key].table.rows}


class TestWorkers:
    def test_are_those_of_the_schedule(self):
        assert ",".join(QUEUES) == ALL_QUEUES

    def test_are_alive_while_they_finish_tasks(self):
        beat(*QUEUES)

        assert set(states().values()) == {"alive"}

    def test_are_missing_where_only_their_queue_is_silent(self):
        beat(*QUEUES)
        beat("mail", ago=timedelta(minutes=2))

        now_states = states()

        assert now_states.pop("Workers of mail") == "missing"
        assert set(now_states.values()) == {"alive"}

    def test_are_missing_where_messages_wait(self):
        beat(*QUEUES, ago=timedelta(hours=1))

        now_states = states(messages={"money": 3})

        assert now_states["Scheduler"] == "unknown"
        assert now_states["Workers of money"] == "missing"

    def test_miss_a_scheduler_where_no_message_waits(self):
        beat(*QUEUES, ago=timedelta(hours=1))

        assert states()["Scheduler"] == "silent"

    def test_leave_one_row_for_each_queue(self):
        beat(*QUEUES)
        beat(*QUEUES)

        assert Pulse.objects.count() == len(QUEUES)


class TestTheBroker:
    def test_counts_messages(self, own_broker, settings):
        client = client_of(settings.REDIS_URL)
        client.rpush("mail", "one", "two")

        reading, messages = read_broker()

        assert reading.state == "works"
        assert messages["mail"] == 2

    @pytest.mark.parametrize("fault", ["no_broker", "silent_broker"])
    def test_is_down_within_the_limit(self, fault, request):
        request.getfixturevalue(fault)
        started = time.monotonic()

        reading, messages = read_broker()

        assert (reading.state, messages) == ("down", {})
        assert time.monotonic() - started < 2


class TestTheDatabase:
    def test_gives_its_figures(self):
        reading = read_database()

        assert reading.state == "works"
        assert "connections" in reading.detail

    def test_is_slow_if_it_takes_too_long(self, monkeypatch):
        monkeypatch.setattr(health, "DATABASE", "SELECT pg_sleep(20)")
        started = time.monotonic()

        reading = read_database()

        assert reading.state == "slow"
        assert time.monotonic() - started < 3

    def test_keeps_no_limit_of_statements(self):
        read_database()

        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone()[0] == "0"


class TestDisks:
    def test_name_a_folder_that_cannot_be_read(self, settings, tmp_path):
        gone = tmp_path / "gone"
        settings.BILLING = {**settings.BILLING, "ARCHIVE_ROOT": gone}

        readings = {reading.name: reading for reading in read_disks()}

        assert readings["Disk of the archive"].state == "not readable"
        assert str(gone) in readings["Disk of the archive"].detail

    def test_do_not_wait_for_a_folder_that_hangs(self, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: time.sleep(2))
        monkeypatch.setattr(health, "SECONDS", 0.2)

        assert {reading.state for reading in read_disks()} == {"not readable"}


class TestQueues:
    def test_are_late_after_some_minutes(self, everything):
        readings = {
            reading.name: reading for reading in read_queues(now=timezone.now())
        }

        assert readings["Deliveries"].state == "late"
        assert readings["Deliveries"].number > 0
        assert readings["Run items"].state == "on time"


class TestThePage:
    @pytest.mark.parametrize("fault", ["own_broker", "no_broker", "silent_broker"])
    def test_opens_whatever_the_broker_does(self, fault, request):
        request.getfixturevalue(fault)

        page = log_in(make_staff()).get(PAGE)

        assert page.status_code == 200
        assert rows(page)["Broker"] == ("works" if fault == "own_broker" else "down")
        assert rows(page)["PostgreSQL"] == "works"
        assert len(rows(page, "queues")) > 5

    def test_is_refused_to_support(self):
        assert (
            log_in(make_staff("s@example.com", job="support")).get(PAGE).status_code
            == 403
        )

    def test_takes_a_fixed_number_of_queries(
        self, everything, no_broker, django_assert_max_num_queries
    ):
        staff = log_in(make_staff())

        with django_assert_max_num_queries(60):
            staff.get(PAGE)
