"""The web server, as it is set up: a real one on a free port."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from socket import socket

import pytest

from tests.databases import ROOT

READY_SECONDS = 30


@pytest.fixture
def port(fresh_database, broker) -> Iterator[int]:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", f"--bind=127.0.0.1:{port}",
         "--log-level=warning"],
        cwd=ROOT,
        env={**os.environ, **fresh_database.environment, "REDIS_URL": broker},
    )  # fmt: skip
    deadline = time.monotonic() + READY_SECONDS
    with socket() as line:
        while line.connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline
            assert server.poll() is None
            time.sleep(0.1)
    yield port
    server.terminate()
    server.wait(10)


def test_answers_many_requests_on_one_connection_while_another_is_idle(port):
    idle, client = (HTTPConnection("127.0.0.1", port, timeout=30) for _ in range(2))
    idle.connect()
    client.connect()
    line = client.sock

    for _ in range(3):
        client.request("GET", "/api/v1/authorize?agent=ana")
        answer = client.getresponse()
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        answer.read()
        assert client.sock is line
    for one in (idle, client):
        one.close()
