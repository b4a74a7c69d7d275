"""What the log keeps of an error: a traceback, or one line where a server was away."""

import logging
from io import StringIO

import pytest
import redis
from celery.beat import SchedulingError
from django.db import IntegrityError, OperationalError
from django.test import Client

from config.http.logs import OneLineForOutages
from seats.models import User
from tests.staff import log_in

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


@pytest.fixture
def written():
    """What the service writes to its log."""
    (console,) = (
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
    )
    stream = StringIO()
    before = console.setStream(stream)
    yield stream
    console.setStream(before)


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


class TestOneLine:
    """What somebody types into an address may be in the message of the refusal."""

    @pytest.mark.django_db
    @pytest.mark.parametrize("ending", ["%0a", "%0d", "%0d%0a", "%c2%85", "%e2%80%a8"])
    def test_lets_nobody_write_lines_of_their_own(self, written, ending):
        staff = log_in(User.objects.create_superuser("boss@example.com", "a b c"))

        answer = staff.get(f"/admin/seats/member/?user__email__x{ending}FORGED%00%1b=1")

        assert answer.status_code == 400
        lines = [line for line in written.getvalue().splitlines() if "FORGED" in line]
        assert lines
        assert not any(line.startswith("FORGED") for line in lines)
        assert "\0" not in written.getvalue()
        assert "\x1b" not in written.getvalue()


class TestWithoutLinks:
    @pytest.mark.parametrize(
        "page", ["invitations/KEY-8_x/", "password/reset/key/1-KEY-8_x/"]
    )
    def test_keeps_the_keys_of_mailed_links_out(self, written, page):
        """A browser without cookies is refused, and the link is still good."""
        answer = Client(enforce_csrf_checks=True).post(f"/accounts/{page}")

        assert answer.status_code == 403
        assert "/accounts/" in written.getvalue()
        assert "KEY" not in written.getvalue()
