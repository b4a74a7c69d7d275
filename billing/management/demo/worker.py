"""Runs a real Celery worker for the demo."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import current_app
from django.core.management.base import CommandError

START_SECONDS = 30


@contextmanager
def running_worker(log: Path) -> Iterator[int]:
    """Start a worker, wait until it responds, and stop it at the end; yields its pid.

    Raises CommandError if it does not start.
    """
    with open(log, "w") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", "money",
             "-c", "2", "--loglevel", "INFO", "-n", f"demo-{os.getpid()}@%h"],
            stdout=output,
            stderr=output,
            env={**os.environ, "BILLING_REVIEW_SECONDS": "0"},
        )  # fmt: skip
    try:
        _wait_until_ready(worker, log)
        yield worker.pid
    finally:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(timeout=15)
        except subprocess.TimeoutExpired:
            worker.kill()


def _wait_until_ready(worker: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not current_app.control.ping(timeout=0.5):
        if worker.poll() is not None or time.monotonic() > deadline:
            raise CommandError(
                f"worker_missing: The worker did not start. See its log {log}."
            )
