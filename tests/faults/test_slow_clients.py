"""Clients that are slow on purpose, and many that want a lot, beside a dialer."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from statistics import median

import pytest

from config.web import HEADER_SECONDS
from seats.api_keys.services import create_key
from tests.build import make_agency
from tests.web import Visitor
from tests.workers import running_web

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]
SLOW, GREEDY, QUESTIONS = 20, 12, 30
# Beside all of them, a dialer may wait this many times as long as alone, and this long.
FACTOR, FLOOR = 25, 1.0
HEADERS = b"GET /api/v1/price-list HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = (
    b"POST /api/v1/usage-events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n["
)


@pytest.fixture
def dialer(fresh_database, broker, tmp_path) -> Iterator[Visitor]:
    """A program that asks whether agents may dial, at a server of two processes."""
    _, token = create_key(
        agency=make_agency(),
        scopes=["authorize:read"],
        actor="test",
        now=datetime.now(UTC),
    )
    environment = {**fresh_database.environment, "REDIS_URL": broker}
    with running_web(environment, tmp_path / "web.log", "--workers=2") as port:
        yield Visitor(port, key=token)


def seconds_to_ask(dialer: Visitor) -> list[float]:
    """How long each of some questions took; all are answered."""
    took = []
    for _ in range(QUESTIONS):
        started = time.monotonic()
        answer = dialer.get("/api/v1/authorize?agent=ana")
        took.append(time.monotonic() - started)
        assert answer.status == 200
        assert answer.json()["checked"] is True
    return took


@contextmanager
def at_once(count: int, work: Callable[[], None]) -> Iterator[None]:
    """Do something again and again in so many threads until the block ends."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            with suppress(OSError):  # they are cut off, and come again
                work()
            over.wait(0.05)

    threads = [threading.Thread(target=repeat) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def dribble(port: int, beginning: bytes, more: bytes) -> None:
    """Send a little of a request for a second or two, and never all of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        line.sendall(beginning)
        for _ in range(8):
            line.sendall(more)
            time.sleep(0.2)


def test_a_dialer_is_answered_beside_slow_and_greedy_clients(dialer):
    port = dialer.port
    alone = seconds_to_ask(dialer)

    with (
        at_once(SLOW // 2, lambda: dribble(port, HEADERS, b"X-More: 1\r\n")),
        at_once(SLOW // 2, lambda: dribble(port, BODY, b" ")),
    ):
        time.sleep(0.5)  # until all of them hold a connection
        beside_slow = seconds_to_ask(dialer)
        with at_once(GREEDY, lambda: fetch_schema(port)):
            beside_all = seconds_to_ask(dialer)

    most = max(FACTOR * median(alone), FLOOR)
    assert median(beside_slow) < most
    assert median(beside_all) < most


def fetch_schema(port: int) -> None:
    assert Visitor(port).get("/api/schema/").status == 200


def test_headers_that_do_not_end_are_cut_off(dialer):
    with socket.create_connection(("127.0.0.1", dialer.port), timeout=1) as line:
        line.sendall(HEADERS)
        started = time.monotonic()
        deadline = started + 10 * HEADER_SECONDS
        while is_open(line) and time.monotonic() < deadline:
            time.sleep(0.5)
        took = time.monotonic() - started

    assert HEADER_SECONDS - 1 < took < 10 * HEADER_SECONDS


def is_open(line: socket.socket) -> bool:
    """Send one more header; False once the server has closed the connection."""
    try:
        line.sendall(b"X-More: 1\r\n")
        line.setblocking(False)
        return line.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        line.settimeout(1)


ODD = [
    (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 70_000, b" 431 "),
    (b"GET\r\n\r\n", b" 400 "),
    (b"\0\xff\r\n\r\n", b" 400 "),
    (b"GET http://[::1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b" 400 "),
    (b"GET /api/v1/price-list HTTP/1.1\r\nHost: evil.example\r\n\r\n", b" 400 "),
    (b"GET /admin/ HTTP/1.1\r\nHost: a b\r\n\r\n", b" 400 "),
    (BODY.replace(b"1000", b"99999999"), b" 413 "),
    (BODY.replace(b"1000", b"-5"), b" 400 "),
]


def test_odd_requests_are_refused_in_one_line(dialer, tmp_path):
    for sent, status in ODD:
        with socket.create_connection(("127.0.0.1", dialer.port), timeout=30) as line:
            line.sendall(sent)
            answer = line.recv(4096)

        assert status in answer.partition(b"\r\n")[0], sent[:80]
    log = (tmp_path / "web.log").read_text()
    assert "Traceback" not in log
    assert "Invalid HTTP_HOST header: 'evil.example'" in log
