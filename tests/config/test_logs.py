"""What the log keeps of an error: a traceback, or one line where a server was away."""

import logging

import pytest
import redis
from celery.beat import SchedulingError
from django.db import IntegrityError, OperationalError

from config.http.logs import OneLineForOutages

LONG = "connection failed: connection to server failed\nIs the server running?"


def lines_of(error: BaseException, *, name: str = "billing.x") -> list[str]:
    """What is written when an error is logged with its traceback."""
    record = logging.LogRecord(
        name, logging.ERROR, "x.py", 1, "closing %d payers failed", (3,),
        (type(error), error, error.__traceback__),
    )  # fmt: skip
    assert OneLineForOutages().filter(record)
    return logging.Formatter("%(message)s").format(record).splitlines()


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


class TestOneLineForOutages:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (OperationalError(LONG), "connection failed: connection to server failed"),
            (redis.ConnectionError("refused"), "refused"),
        ],
    )
    def test_says_what_failed_and_why(self, error, reason):
        (line,) = lines_of(raised(error))

        assert line == f"closing 3 payers failed: {type(error).__name__}: {reason}"

    def test_looks_at_what_celery_wraps(self):
        error = raised(SchedulingError("away"), cause=redis.ConnectionError("refused"))

        assert len(lines_of(error, name="celery.beat")) == 1
        assert "Traceback (most recent call last):" in lines_of(error)

    @pytest.mark.parametrize("error", [IntegrityError("twice"), ValueError("odd")])
    def test_keeps_the_traceback_of_everything_else(self, error):
        for name in ("billing.x", "celery.app.trace"):
            assert "Traceback (most recent call last):" in lines_of(
                raised(error), name=name
            )
