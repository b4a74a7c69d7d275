"""Real workers and brokers for the tests, ended by pid."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from config.services import places
from config.services.valkey import _binary

READY_SECONDS = 90
ALL_QUEUES = "money,documents,charges,imports,mail,webhooks,fanout"


@contextmanager
def running_broker(folder: Path) -> Iterator[str]:
    """A Valkey of its own, on a free port of loopback; its URL."""
    folder = places.make_private(folder)
    port = _free_port()
    server = start_broker(port, folder)
    try:
        with redis.Redis(port=port) as client:
            _wait_for(lambda: _answers(client), "the broker")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.kill()
        server.wait()


def start_broker(port: int, folder: Path) -> "subprocess.Popen[bytes]":
    """A Valkey that keeps nothing; the folder must be its user's own."""
    return subprocess.Popen(
        [str(_binary()), "--port", str(port), "--bind", "127.0.0.1",
         "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **places.as_server_user(),
    )  # fmt: skip


@dataclass
class Worker:
    """A worker process and all its children."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def kill(self) -> None:
        """End it at once, children included, as a power cut would."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def kill_children(self) -> int:
        """End who works for it, as the system does when memory is short; how many."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        children = [int(pid) for pid in path.read_text().split()]
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        return len(children)

    def is_dead(self) -> bool:
        return self.process.poll() is not None


def start_worker(
    environment: dict[str, str],
    log: Path,
    *,
    app: str = "config",
    queues: str = ALL_QUEUES,
) -> Worker:
    """A worker in a process group of its own; it says when it is ready."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", app, "worker", "-Q", queues,
             "-c", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle"],
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )  # fmt: skip
    worker = Worker(process, log)
    _wait_for(
        lambda: b" ready." in log.read_bytes() or worker.is_dead(), f"a worker ({log})"
    )
    return worker


def start_beat(environment: dict[str, str], log: Path) -> Worker:
    """The scheduler with its real table; it keeps its times beside the log."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config", "beat", "--loglevel",
             "INFO", "-s", str(log.with_suffix(".times")), "--pidfile="],
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )  # fmt: skip
    beat = Worker(process, log)
    _wait_for(
        lambda: b"beat: Starting" in log.read_bytes() or beat.is_dead(), f"beat ({log})"
    )
    return beat


@contextmanager
def running_web(environment: dict[str, str], log: Path, *options: str) -> Iterator[int]:
    """The web server on a free port of loopback, and which."""
    port = _free_port()
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "config.wsgi", f"-b127.0.0.1:{port}",
             *options],
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(lambda: _listens(port) or process.poll() is not None, f"web ({log})")
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def _wait_for(happened: object, what: str) -> None:
    assert callable(happened)
    deadline = time.monotonic() + READY_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} is not ready")
        time.sleep(0.05)


def _free_port() -> int:

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
