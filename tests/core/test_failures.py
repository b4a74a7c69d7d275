"""Why a request got no answer, as a value that callers decide by."""

import socket
from contextlib import contextmanager

import pytest

from core.outbound.addresses import AddressPolicy
from core.outbound.client import Limits, send
from core.outbound.failures import TEXTS, Failure
from tests.receivers import hangs, receiving, vanishes, write_certificate

LOOPBACK = AddressPolicy(allow_loopback=True)


def no_such_name(host, port, **_):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def loopback(host, port, **_):
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@contextmanager
def full_backlog():
    """The URL of a socket that completes no further connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = []
    for _ in range(4):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        waiting.append(client)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        for opened in (*waiting, listener):
            opened.close()


@contextmanager
def closed_port():
    """The URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}/"


def post(url, **limits):
    return send(url, b"{}", {}, Limits(**{"seconds": 0.6, "rules": LOOPBACK, **limits}))


class TestFailure:
    def test_of_a_name_without_an_address(self):
        sent = post("http://name.example/", resolver=no_such_name)

        assert sent.failure == Failure.NAME_NOT_RESOLVED
        assert sent.error == "dns: the host name has no address"

    def test_of_an_address_that_is_not_allowed(self):
        with receiving() as receiver:
            sent = post(receiver.url, rules=AddressPolicy())

        assert sent.failure == Failure.ADDRESS_NOT_ALLOWED
        assert sent.error == (
            "not allowed: Host '127.0.0.1' resolves to an address that is not allowed."
        )
        assert receiver.received == []

    def test_of_a_connection_that_is_refused(self):
        with closed_port() as url:
            assert post(url).failure == Failure.CONNECT_FAILED

    def test_of_a_connection_that_is_not_made_in_time(self):
        with full_backlog() as url:
            sent = post(url)

        assert sent.failure == Failure.CONNECT_TIMEOUT
        assert sent.error == "timeout: no connection in time"

    def test_of_an_answer_that_does_not_come_in_time(self):
        with receiving(hangs()) as receiver:
            sent = post(receiver.url)

        assert sent.failure == Failure.TIMEOUT
        assert len(receiver.received) == 1

    def test_of_a_connection_that_ends_before_the_answer(self):
        with receiving(vanishes) as receiver:
            assert post(receiver.url).failure == Failure.CONNECTION_LOST

    def test_of_a_certificate_that_is_not_trusted(self, tmp_path):
        certificate = write_certificate(tmp_path / "it.pem", host="other.example")
        with receiving(tls=certificate) as receiver:
            url = receiver.url.replace("127.0.0.1", "receiver.example")
            sent = post(url, ca_file=str(certificate), resolver=loopback, seconds=5)

        assert sent.failure == Failure.TLS_FAILED
        assert receiver.received == []

    def test_is_none_where_there_is_an_answer(self):
        with receiving() as receiver:
            assert post(receiver.url).failure is None

    def test_had_no_address_only_before_any_connection(self):
        assert {failure for failure in Failure if failure.had_no_address} == {
            Failure.ADDRESS_NOT_ALLOWED,
            Failure.NAME_NOT_RESOLVED,
        }

    @pytest.mark.parametrize("failure", Failure)
    def test_has_a_text_for_people(self, failure):
        assert TEXTS[failure]
