"""Requests that no HTTP library would send, to a real web server."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.web import MOST_CHUNK_LINE, MOST_TRAILERS
from tests import databases
from tests.web import Visitor
from tests.workers import running_web

PATH = b"/api/v1/quote"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY_CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
EXPECT = b"Expect: 100-continue\r\n"
# Accepted by a server that keeps what it has of a line, at the cost of its square.
ENDLESS = 4 * 2**20
PIECE = 65_536
QUICK = 5.0  # seconds


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web") / "web.log"


@pytest.fixture(scope="module")
def port(django_db_setup, django_db_blocker, module_broker, log) -> Iterator[int]:
    """One server for all tests: none of them leaves anything behind."""
    with django_db_blocker.unblock(), databases.cloned() as name:
        environment = {**databases.urls(name), "REDIS_URL": module_broker}
        with running_web(environment, log) as port:
            Visitor(port).get("/api/v1/price-list")  # once it answers, it is quick
            yield port


def send(port: int, request: bytes) -> bytes:
    """Everything that is answered until the server ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
        answer = b""
        try:
            for start in range(0, len(request), PIECE):
                line.sendall(request[start : start + PIECE])
            while piece := line.recv(PIECE):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # it was refused before all of it was sent
        return answer


def statuses(answer: bytes) -> list[int]:
    return [
        int(status)
        for status in re.findall(rb"^HTTP/1\.\d (\d+)", answer, re.MULTILINE)
    ]


def request(headers: bytes, body: bytes, *, version: bytes = b"1.1") -> bytes:
    line = b"POST %s HTTP/%s\r\nHost: 127.0.0.1\r\n" % (PATH, version)
    return line + b"Content-Type: application/json\r\n" + headers + b"\r\n" + body


def test_refuses_what_a_proxy_may_have_read_as_another_request(port):
    smuggled = b"GET /api/v1/price-list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    both = CHUNKED + b"Content-Length: 5\r\n"
    requests = {
        "both lengths": request(both, EMPTY_CHUNKS + smuggled),
        "both, expecting": request(both + EXPECT, EMPTY_CHUNKS + smuggled),
        "chunked in 1.0": request(
            CHUNKED + b"Connection: keep-alive\r\n", EMPTY_CHUNKS, version=b"1.0"
        ),
        "tab": b"GET /api/v1/price\t-list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "nul": b"GET /api/v1/price-list\0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    }
    for name, sent in requests.items():
        answer = send(port, sent)

        assert statuses(answer) == [400], (name, answer)


def test_refuses_chunked_bodies_with_endless_lines_early(port):
    for expecting in (b"", EXPECT):
        for begun in (b"", b"1;", b"0\r\nA: "):
            started = time.monotonic()

            answer = send(port, request(CHUNKED + expecting, begun + b"1" * ENDLESS))

            assert time.monotonic() - started < QUICK, (begun, expecting)
            # None where the server ended the connection while more was sent.
            assert 400 in statuses(answer) or not statuses(answer) or expecting
    assert max(MOST_CHUNK_LINE, MOST_TRAILERS) < ENDLESS


def test_does_not_ask_for_a_body_that_it_refuses(port):
    answer = send(port, request(EXPECT + b"Content-Length: 999999999\r\n", b""))

    assert statuses(answer) == [413]


def test_takes_chunked_bodies_with_trailers(port):
    body = b"2;note=a\r\n{}\r\n0\r\nX-Sum: 1\r\n\r\n"

    answer = send(port, request(CHUNKED + b"Connection: close\r\n", body))

    assert b"missing required field `month`" in answer


def test_a_form_that_cannot_be_read_is_refused_on_every_page(port, log):
    """Also where nobody reads it but the page that says what is wrong."""
    form = b"application/x-www-form-urlencoded"
    bodies = {
        "charset": (form + b"; charset=utf-7", b"a=1"),
        "no boundary": (b"multipart/form-data", b"a"),
        "many fields": (form, b"&".join(b"a%d=1" % n for n in range(1_001))),
        "large": (form, b"a=" + b"x" * 3_000_000),
    }
    for path, expected in (
        (b"/accounts/login/", 400), (b"/agency/", 400), (b"/", 400), (b"/none/", 404),
    ):  # fmt: skip
        for name, (kind, body) in bodies.items():
            head = (
                b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                b"Cookie: csrftoken=" + b"a" * 32 + b"\r\n"
                b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n"
            )
            answer = send(port, head % (path, kind, len(body)) + body)

            assert statuses(answer) == [expected], (path, name, answer)
            assert b"Content-Security-Policy: " in answer
    assert "Traceback" not in log.read_text()


def test_a_cookie_that_is_no_session_of_ours_is_none(port, log):
    for key in (
        '"aaaaaaaaaaaaaaaa\\000"',
        "x" * 32_000,
        '"\\377\\376aaaaaaaa"',
        "A" * 32,
    ):
        cookie = b"Cookie: sessionid=" + key.encode() + b"\r\n"
        answer = send(
            port,
            b"GET /admin/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            + cookie
            + b"\r\n",
        )

        assert statuses(answer) == [302], (key[:40], answer)
    assert "Traceback" not in log.read_text()
