"""Fixtures of archive tests: a folder, and hooks at the steps of archiving."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from billing.metering.signals import archive_step
from tests.billing.metering.archives import play


@pytest.fixture
def archive_root(settings, tmp_path) -> Path:
    """The archive folder of this test; events are kept for three months."""
    root: Path = tmp_path / "archive"
    settings.BILLING = {
        **settings.BILLING,
        "ARCHIVE_ROOT": root,
        "EVENTS_KEPT_MONTHS": 3,
        "REVIEW_WINDOW": None,
        "ARCHIVE_LOCK_WAIT": timedelta(milliseconds=50),
    }
    return root


@pytest.fixture
def played(db: None, archive_root: Path) -> None:
    play()


def when(step: str, work: Any) -> Iterator[None]:
    """Call a function at a step of an archiving."""

    def hear(*, step: str, path: Path, wanted: str = step, **_: Any) -> None:
        if step == wanted:
            work(path)

    archive_step.connect(hear)
    yield
    archive_step.disconnect(hear)


@pytest.fixture
def at_step():
    """Call a function at a step of every archiving in this test."""
    running = []

    def begin(step, work):
        running.append(when(step, work))
        next(running[-1])

    yield begin
    for job in running:
        next(job, None)
