"""The web server, as it is set up: a real one on a free port."""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.workers import running_web


@pytest.fixture
def port(fresh_database, broker, tmp_path) -> Iterator[int]:
    environment = {**fresh_database.environment, "REDIS_URL": broker}
    with running_web(environment, tmp_path / "web.log") as port:
        yield port


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
    for sock in (idle, client):
        sock.close()
