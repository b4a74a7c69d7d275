"""Probes of what the service runs on. Each is bounded in time, and none raises.

A probe says in a word how its server is, and in a sentence why. Workers and the scheduler
are known by their signs of life: the scheduler starts a task for each queue, and the
worker that finishes it writes a row (`billing.recurring`). So a queue is alive only if
scheduler, broker and a worker of it are.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import redis
from django.conf import settings
from django.db import Error, connection, transaction

from billing.recurring.models import Pulse
from config.celeryconfig import QUEUES
from config.http.limits import client_of
from core.admin.today import age_text, waiting
from core.queue.models import queues

T = TypeVar("T")
SECONDS = 1.5  # that a probe may take
SILENT = timedelta(seconds=90)  # after which a queue counts as not served
LATE = timedelta(minutes=5)  # after which due work counts as late
LONG = timedelta(minutes=5)  # after which a transaction counts as long
FULL = 0.9  # of the connections, or of a disk
GOOD = {"works", "alive", "on time", "enough"}

DATABASE = """
    SELECT pg_size_pretty(pg_database_size(current_database())),
           count(*) FILTER (WHERE backend_type = 'client backend'),
           current_setting('max_connections')::int,
           count(*) FILTER (WHERE wait_event_type = 'Lock'),
           max(clock_timestamp() - xact_start)
               FILTER (WHERE pid <> pg_backend_pid() AND state <> 'idle')
    FROM pg_stat_activity
    WHERE datname = current_database()
"""


class Reading(NamedTuple):
    """What a probe found: of what, its state in a word, and why in a sentence."""

    name: str
    state: str
    detail: str

    @property
    def is_good(self) -> bool:
        """Whether nobody needs to do anything."""
        return self.state in GOOD


class QueueReading(NamedTuple):
    """A table of due work: how many rows, at most MOST + 1, and how long they wait."""

    name: str
    state: str
    number: int
    age: str


def read_database() -> Reading:
    """Size, connections, waits for locks, and the longest transaction of the role."""
    name = "PostgreSQL"
    try:
        with _short_statements(), connection.cursor() as cursor:
            cursor.execute(DATABASE)
            size, used, most, locked, longest = cursor.fetchone()
    except Error as error:
        return Reading(name, "slow", f"It gave no figures in time: {_line(error)}")
    longest = longest or timedelta(0)
    state = "works"
    if used > most * FULL:
        state = "nearly out of connections"
    elif longest > LONG:
        state = "held up by a long transaction"
    detail = (
        f"{size}; {used} of {most} connections, {locked} waiting for a lock; longest"
        f" transaction {int(longest.total_seconds())} s."
    )
    return Reading(name, state, detail)


def read_broker() -> tuple[Reading, dict[str, int]]:
    """Whether the broker answers, and how many messages wait in each queue."""
    try:
        messages, memory = _bounded(_ask_broker)
    except (redis.RedisError, ValueError, TimeoutError) as error:
        detail = (
            f"It does not answer: {_line(error)} Work waits in the database until it"
            " does; nothing is lost."
        )
        return Reading("Broker", "down", detail), {}
    total = sum(messages.values())
    detail = f"{total} messages wait; {memory} of memory."
    return Reading("Broker", "works", detail), messages


def _ask_broker() -> tuple[dict[str, int], str]:
    client = client_of(settings.REDIS_URL)
    with client.pipeline(transaction=False) as pipe:
        for queue in QUEUES:
            pipe.llen(queue)
        pipe.info("memory")
        *lengths, memory = pipe.execute()
    return dict(zip(QUEUES, lengths, strict=True)), memory["used_memory_human"]


def read_workers(
    broker: Reading, messages: dict[str, int], *, now: datetime
) -> list[Reading]:
    """The scheduler, then the workers of each queue, by their signs of life."""
    beaten = dict(Pulse.objects.values_list("queue", "beaten_at"))
    fresh = {queue for queue, at in beaten.items() if now - at <= SILENT}
    waiting_anywhere = any(messages.get(queue) for queue in QUEUES)
    if fresh:
        scheduler = Reading("Scheduler", "alive", "It started a task of late.")
    elif not broker.is_good:
        scheduler = Reading("Scheduler", "unknown", "Nothing reaches the broker.")
    elif waiting_anywhere:
        detail = "Messages wait, and no worker takes them: start the workers."
        scheduler = Reading("Scheduler", "unknown", detail)
    else:
        detail = "It sends nothing: start `celery -A config beat`."
        scheduler = Reading("Scheduler", "silent", detail)
    return [
        scheduler,
        *(
            _worker(queue, beaten.get(queue), messages, fresh, now=now)
            for queue in QUEUES
        ),
    ]


def _worker(
    queue: str,
    at: datetime | None,
    messages: dict[str, int],
    fresh: set[str],
    *,
    now: datetime,
) -> Reading:
    name = f"Workers of {queue}"
    last = (
        f"Its last task ended {age_text(at, now)} ago." if at else "None was seen yet."
    )
    if queue in fresh:
        return Reading(name, "alive", last)
    if fresh or messages.get(queue):
        hint = f"Start `celery -A config worker -Q {queue}`."
        return Reading(name, "missing", f"{last} {hint}")
    return Reading(name, "unknown", last)


def read_queues(*, now: datetime) -> list[QueueReading]:
    """The backlog of each queue: due rows that no worker has taken, and their age."""
    return [_queue(table, now) for table in queues()]


def _queue(table: Any, now: datetime) -> QueueReading:
    name = str(table._meta.verbose_name_plural).capitalize()
    try:
        with _short_statements():
            due = waiting(table.objects.due(now), "next_attempt_at")
    except Error:
        return QueueReading(name, "not counted in time", 0, "")
    is_late = due.since is not None and now - due.since > LATE
    return QueueReading(
        name, "late" if is_late else "on time", due.number, age_text(due.since, now)
    )


def read_disks() -> list[Reading]:
    """The free space of the folders that the service writes to on this machine."""
    archive = Path(settings.BILLING["ARCHIVE_ROOT"])
    if settings.BASE_DIR in archive.parents and not archive.exists():
        archive = settings.BASE_DIR  # it is made there with the first archived month
    folders = {
        "Disk of the checkout": settings.BASE_DIR,
        "Disk of the archive": archive,
    }
    return [_disk(name, Path(folder)) for name, folder in folders.items()]


def _disk(name: str, folder: Path) -> Reading:
    try:
        usage = _bounded(lambda: shutil.disk_usage(folder))
    except (OSError, TimeoutError) as error:
        return Reading(name, "not readable", f"{folder}: {_line(error)}")
    free = usage.free / usage.total
    state = "enough" if 1 - free < FULL else "nearly full"
    gib = usage.free / 1024**3
    return Reading(name, state, f"{gib:.1f} GiB free, {free:.0%}, at {folder}.")


@contextmanager
def _short_statements() -> Iterator[None]:
    """Limit statements to SECONDS; within a transaction, undo the limit at the end."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {int(SECONDS * 1000)}")
        yield
        transaction.set_rollback(True)


def _bounded(work: Callable[[], T]) -> T:
    """The result of work that may hang; TimeoutError if it takes longer than SECONDS."""
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        return pool.submit(work).result(timeout=SECONDS)
    except TimeoutError as error:
        raise TimeoutError(f"No answer within {SECONDS:g} seconds") from error
    finally:
        pool.shutdown(wait=False)


def _line(error: BaseException) -> str:
    """The first line of an error's message, as a sentence."""
    text: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return f"{text[0].rstrip('.')}."
