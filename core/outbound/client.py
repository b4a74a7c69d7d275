"""One request to one receiver: guarded, and over within its time. Pure of Django.

Everything that can go wrong out there is an outcome, not an exception.
"""

import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests_hardened.client import HTTPSession
from requests_hardened.config import Config
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from core.outbound.addresses import AddressPolicy, NotAllowed, Resolver, address_of
from core.outbound.failures import Failure, NoAnswer, no_answer_of

AGENT = "dialer-billing-webhooks/1"
READ_MOST = 64 * 1024  # bytes of an answer
KEPT = 2_000  # characters of it


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may take, and whom it may reach."""

    seconds: float = 15
    rules: AddressPolicy = field(default_factory=AddressPolicy)
    ca_file: str | None = None
    resolver: Resolver = socket.getaddrinfo
    read_most: int = READ_MOST


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. Without an answer `status` is None and `error` says why.

    `failure` is why a request that was made got no answer.
    """

    status: int | None = None
    answer: str = ""
    error: str = ""
    latency_ms: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def send(url: str, body: bytes, headers: Mapping[str, str], limits: Limits) -> Outcome:
    """Post a body and read what is answered, within `limits.seconds` all together."""
    started = time.perf_counter()
    headers_sent = {
        "Content-Type": "application/json", "Accept-Encoding": "identity", **headers
    }  # fmt: skip
    try:
        status, answer, sent = exchange("POST", url, body, headers_sent, limits)
    except NoAnswer as error:
        return Outcome(
            error=str(error), latency_ms=_since(started), failure=error.failure
        )
    text = answer.decode(errors="replace")[:KEPT].replace("\0", "\ufffd")
    return Outcome(status, text, "", _since(started), sent)


def exchange(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    limits: Limits,
) -> tuple[int, bytes, Mapping[str, str]]:
    """One request: status, the beginning of the answer, and its headers.

    Over within `limits.seconds`. Raises NoAnswer, and nothing else.
    """
    started = time.perf_counter()
    watch = _Watch(limits.seconds)
    try:
        answered = _request(method, url, body, headers, limits, watch)
    except (NotAllowed, OSError, HTTPError, ValueError) as error:
        late = watch.is_over or time.perf_counter() - started >= limits.seconds
        raise no_answer_of(error, is_late=late) from error
    finally:
        watch.stop()
    if watch.is_over:
        raise NoAnswer(Failure.TIMEOUT)
    return answered


class _Watch:
    """Ends a connection when its time is over, whatever it is doing then.

    Timeouts of a socket begin anew with each byte; a receiver that drips would keep us.
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.is_over = False
        self._timer.start()

    def over(self, connected: socket.socket) -> None:
        """Watch a connection, by a handle that outlives its wrapping in TLS."""
        handle = socket.socket(fileno=os.dup(connected.fileno()))
        with self._lock:
            self._sockets.append(handle)
            if self.is_over:
                _shut(handle)

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            for handle in self._sockets:
                handle.close()
            self._sockets.clear()

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            for handle in self._sockets:
                _shut(handle)


def _shut(handle: socket.socket) -> None:
    try:
        handle.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the receiver was quicker


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, watch: _Watch, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch = watch

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        self._watch.over(connected)
        return connected


class _Secure(_Plain, HTTPSConnection):
    """The same over TLS: what is plain goes on to that."""


class _Pinned(IPFilterAdapter):  # type: ignore[misc]
    """Connects to an address that was checked; the library then checks it again."""

    def __init__(self, limits: Limits, watch: _Watch, *, secure: bool) -> None:
        super().__init__(
            is_https_proto=secure, allow_loopback=limits.rules.allow_loopback
        )
        self._limits, self._watch, self._secure = limits, watch, secure

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        parts = urlsplit(str(request.url))
        host = parts.hostname or ""
        port = parts.port or (443 if self._secure else 80)
        address = address_of(
            host, port, self._limits.rules, resolver=self._limits.resolver
        )
        literal = f"[{address}]" if address.version == 6 else str(address)
        pinned = request.copy()
        pinned.url = urlunsplit(parts._replace(netloc=f"{literal}:{port}"))
        where, how = super().build_connection_pool_key_attributes(pinned, verify, cert)
        request.headers["Host"] = parts.netloc
        if self._secure:
            how |= {"assert_hostname": host, "server_hostname": host}
        return where, how

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        kind = _Secure if self._secure else _Plain
        pool.ConnectionCls = partial(kind, watch=self._watch)
        return pool


def _request(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    limits: Limits,
    watch: _Watch,
) -> tuple[int, bytes, Mapping[str, str]]:
    config = Config(
        ip_filter_enable=False,  # ours is mounted below, and has theirs inside
        ip_filter_allow_loopback_ips=limits.rules.allow_loopback,
        never_redirect=True,
        default_timeout=(limits.seconds, limits.seconds),
        user_agent_override=AGENT,
    )
    with HTTPSession(config) as session:
        session.trust_env = False  # no proxy and no password of this machine
        session.verify = limits.ca_file or True
        for scheme in ("http", "https"):
            adapter = _Pinned(limits, watch, secure=scheme == "https")
            session.mount(f"{scheme}://", adapter)
        answer = session.request(method, url, data=body, headers=headers, stream=True)
        return answer.status_code, _read(answer, limits.read_most), answer.headers


def _read(answer: requests.Response, most: int) -> bytes:
    """The beginning of a body, not unpacked; what comes after is not waited for."""
    content = bytearray()
    while len(content) < most:
        piece = answer.raw.read1(most - len(content), decode_content=False)
        if not piece:
            break
        content += piece
    return bytes(content)


def _since(started: float) -> int:
    return round((time.perf_counter() - started) * 1000)
