"""One request to a receiver that means no good, or has a bad day."""

import socket
import time

import pytest

from core.outbound.addresses import AddressPolicy, NotAllowed, address_of, check_url
from core.outbound.client import KEPT, Limits, send
from tests.receivers import (
    answers,
    drips,
    floods,
    hangs,
    receiving,
    vanishes,
    write_certificate,
)

HERE = AddressPolicy(allow_loopback=True)
PATIENCE = 0.6
SLACK = 1.0


def post(url, **changes):
    options = {"seconds": PATIENCE, "rules": HERE, **changes}
    return send(url, b'{"a":1}', {"webhook-id": "1"}, Limits(**options))


def resolving(*addresses):
    """A resolver that answers this, and notes what it was asked."""
    hosts = []

    def resolve(host, port, **_):
        hosts.append(host)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6,
             "", (address, port))
            for address in addresses
        ]  # fmt: skip

    return resolve, hosts


class TestSend:
    def test_posts_the_body_and_tells_the_answer(self):
        with receiving(answers(202, b"thank you")) as receiver:
            outcome = post(receiver.url)

        (request,) = receiver.received
        assert (request.body, request.path) == (b'{"a":1}', "/hook")
        assert request.headers["content-type"] == "application/json"
        assert request.headers["host"] == receiver.url.split("/")[2]
        assert (outcome.status, outcome.answer, outcome.taken) == (
            202,
            "thank you",
            True,
        )

    @pytest.mark.parametrize(
        "behave",
        [hangs(), drips("headers"), drips("body")],
        ids=["hangs", "drips headers", "drips a body"],
    )
    def test_ends_in_time_whatever_the_receiver_does(self, behave):
        started = time.monotonic()
        with receiving(behave) as receiver:
            outcome = post(receiver.url)
            took = time.monotonic() - started

        assert outcome.status is None
        assert outcome.error.startswith("timeout")
        assert PATIENCE * 0.9 <= took < PATIENCE + SLACK

    def test_reads_no_more_than_it_wants(self):
        started = time.monotonic()
        with receiving(floods) as receiver:
            outcome = post(receiver.url, seconds=10)

        assert outcome.taken
        assert outcome.answer == "x" * KEPT
        assert time.monotonic() - started < 5

    def test_follows_no_redirect(self):
        with receiving() as inside:
            away = answers(302, b"", Location=inside.url)
            with receiving(away) as receiver:
                outcome = post(receiver.url)

        assert (outcome.status, outcome.taken) == (302, False)
        assert inside.received == []

    def test_tells_of_a_receiver_that_vanished(self):
        with receiving(vanishes) as receiver:
            assert post(receiver.url).error.startswith("connection")
        assert post(receiver.url).error.startswith("connection")

    def test_asks_no_proxy(self, monkeypatch):
        with receiving() as proxy, receiving() as receiver:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("ALL_PROXY", proxy.url)

            assert post(receiver.url).taken

        assert proxy.received == []

    def test_trusts_a_certificate_of_the_right_name_alone(self, tmp_path):
        good = write_certificate(tmp_path / "good.pem", host="receiver.example")
        other = write_certificate(tmp_path / "other.pem", host="other.example")
        resolve, _ = resolving("127.0.0.1")
        outcomes = []

        for certificate, trusted in [(good, good), (other, other), (good, other)]:
            with receiving(tls=certificate) as receiver:
                url = receiver.url.replace("127.0.0.1", "receiver.example")
                outcome = post(url, ca_file=str(trusted), resolver=resolve)
                outcomes.append((outcome.taken, outcome.error[:3]))

        assert outcomes == [(True, ""), (False, "tls"), (False, "tls")]


class TestAddresses:
    def test_are_looked_up_once_so_that_a_name_cannot_change_its_mind(self):
        with receiving() as first, receiving(host="127.0.0.2") as second:
            port = first.url.split(":")[2].split("/")[0]
            other = second.url.split(":")[2].split("/")[0]
            answers_in_turn = iter(["127.0.0.1", "127.0.0.2", "127.0.0.2"])
            hosts = []

            def rebind(host, wanted_port, **_):
                hosts.append(host)
                return resolving(next(answers_in_turn))[0](host, wanted_port)

            outcome = post(f"http://name.example:{port}/", resolver=rebind)

        assert outcome.taken
        assert hosts == ["name.example"]
        assert (len(first.received), second.received, other != port) == (1, [], True)

    @pytest.mark.parametrize(
        "inside",
        ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
         "100.64.0.1", "0.0.0.0", "192.0.0.8", "192.88.99.1", "198.18.0.1",
         "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "::127.0.0.1",
         "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
         "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fec0::1",
         "fe80::1", "fc00::1", "fd12::1", "ff02::1", "5f00::1", "3fff::1",
         "2001:db8::1", "100::1"],
    )  # fmt: skip
    def test_inside_are_refused_alone_and_among_others(self, inside):
        for answer in ([inside], ["93.184.216.34", inside], [inside, "8.8.8.8"]):
            resolve, _ = resolving(*answer)
            with pytest.raises(NotAllowed):
                address_of("name.example", 443, AddressPolicy(), resolver=resolve)

    @pytest.mark.parametrize("outside", ["93.184.216.34", "2606:4700::1111"])
    def test_outside_are_taken(self, outside):
        resolve, _ = resolving(outside, "8.8.4.4")

        assert (
            str(address_of("a.example", 443, AddressPolicy(), resolver=resolve))
            == outside
        )

    def test_are_refused_before_a_connection_is_made(self):
        with receiving() as receiver:
            outcome = post(receiver.url, rules=AddressPolicy())

        assert outcome.error.startswith("not allowed")
        assert receiver.received == []

    @pytest.mark.parametrize(
        "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "localhost"]
    )
    def test_written_in_odd_ways_are_refused_when_they_are_looked_up(self, host):
        with pytest.raises((NotAllowed, OSError)):
            address_of(host, 443, AddressPolicy())


class TestUrls:
    @pytest.mark.parametrize(
        "url",
        ["https://example.com", "https://example.com:8443/a?b=c",
         "https://93.184.216.34/", "https://[2606:4700::1111]/"],
    )  # fmt: skip
    def test_of_the_internet_are_fine(self, url):
        check_url(url, AddressPolicy())

    @pytest.mark.parametrize(
        "url",
        ["http://example.com", "https://example.com:80/", "https://example.com:0/",
         "https://u:p@example.com/", "https://u@example.com/", "https://@example.com/",
         "ftp://example.com", "https:///x", "https://", "example.com", "",
         "https://example.com:x/", "https://[::1/", "https://exa mple.com/",
         "https://example.com\\@10.0.0.1/", "https://example.com/\n", "https://ä.de/",
         "https://10.0.0.1/", "https://[::1]/", "https://[fec0::1]/",
         "https://localhost/", "https://a.localhost/", "https://127.0.0.1/",
         "https://example.com/#x", "https://e.com/" + "a" * 500],
    )  # fmt: skip
    def test_of_anything_else_are_refused(self, url):
        with pytest.raises(NotAllowed):
            check_url(url, AddressPolicy())

    def test_of_this_machine_are_fine_where_the_operator_says_so(self):
        check_url("http://127.0.0.1:9000/", HERE)
        check_url("http://localhost:9000/", HERE)
        for url in ("http://example.com/", "ftp://localhost/", "https://10.0.0.1/"):
            with pytest.raises(NotAllowed):
                check_url(url, HERE)
