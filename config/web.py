"""The web server: gunicorn's processes, each running waitress with its threads.

A request is passed to a thread once it was read completely, so slow clients occupy none.
"""

import os
import re
import time
from copy import copy
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver
from waitress.server import TcpWSGIServer, UnixWSGIServer
from waitress.utilities import BadRequest

from config.http.paths import URGENT
from config.turns import FairDispatcher

URGENT_THREADS = 2
UPLOADS = "/admin/"
HEADER_SECONDS = 10  # for all of the headers
BODY_SECONDS = 30  # for the first bytes of a body, and after that
SLOWEST = 20_000  # bytes a second
MOST_HEADERS = 65_536  # bytes
MOST_CHUNK_LINE = 1_024  # bytes, of the size of a chunk and what is said beside it
MOST_TRAILERS = 8_192  # bytes
MOST_BODY = 16 * 2**20
MOST_UPLOAD = 260 * 2**20
CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
CONNECTIONS = 1_000
LOOP_SECONDS = 1.0


class Chunks(ChunkedReceiver):  # type: ignore[misc]
    """A chunked body whose lines are bounded.

    The receiver joins what it has of a line with every piece of it that comes, which
    costs the square of its length.
    """

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if (
            len(self.control_line) > MOST_CHUNK_LINE
            or len(self.trailer) > MOST_TRAILERS
        ):
            self.error = BadRequest("A line of the chunked body is too long")
        return consumed


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """A parser that accepts large bodies only for uploads in the admin."""

    adj: Adjustments
    path = ""  # until the headers say otherwise
    body_rcv: Any

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began_at = time.monotonic()

    def received(self, data: bytes) -> int:
        consumed: int = super().received(data)
        if self.error:  # or the rest of what was refused would be asked for
            self.expect_continue = False
        return consumed

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except ValueError as error:  # of urllib, for a bad address in the first line
            raise ParsingError(str(error)) from error
        self._require_one_reading(header_plus)
        if not self.path.startswith(UPLOADS):
            self.adj = copy(self.adj)
            self.adj.max_request_body_size = MOST_BODY

    def _require_one_reading(self, header_plus: bytes) -> None:
        """Refuse what a proxy in front may have read as another request.

        Raises ParsingError.
        """
        if CONTROL.search(header_plus.partition(b"\r\n")[0]):
            raise ParsingError("Control character in the request line")
        if self.chunked:
            if "CONTENT_LENGTH" in self.headers:
                raise ParsingError("Content-Length beside Transfer-Encoding")
            self.body_rcv = Chunks(self.body_rcv.getbuf())
        elif "TRANSFER_ENCODING" in self.headers:
            raise ParsingError("Transfer-Encoding needs HTTP/1.1")

    def is_late(self, now: float) -> bool:
        """Whether the request arrives slower than SLOWEST allows."""
        allowed = HEADER_SECONDS
        if self.headers_finished:
            allowed = BODY_SECONDS + self.body_bytes_received / SLOWEST
        return now - self.began_at > allowed


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection."""

    parser_class = Parser

    def is_late(self, now: float) -> bool:
        """Whether a request does not arrive, or a response is not being read."""
        if self.request is not None:
            return bool(self.request.is_late(now))
        idle: float = time.time() - self.last_activity
        if self.last_activity == self.creation_time:  # not a byte so far
            return idle > HEADER_SECONDS
        return bool(self.total_outbufs_len) and idle > BODY_SECONDS


class Dispatcher:
    """A pool of threads for most requests, and a small one for urgent ones."""

    def __init__(self, threads: int) -> None:
        self.urgent = FairDispatcher(URGENT_THREADS, most=URGENT_THREADS)
        self.others = FairDispatcher(threads, most=max(threads - 1, 1))

    def add_task(self, channel: Channel) -> None:
        urgent = channel.requests[0].path == URGENT
        (self.urgent if urgent else self.others).add_task(channel)

    def shutdown(self, *, seconds: float) -> None:
        for pool in (self.urgent, self.others):
            pool.shutdown(timeout=seconds)


class _Deadlines:
    channel_class = Channel

    def maintenance(self, now: float) -> None:
        """Close connections that are idle or too slow."""
        super().maintenance(now)  # type: ignore[misc]
        passed = time.monotonic()
        for channel in self.active_channels.values():  # type: ignore[attr-defined]
            if channel.is_late(passed):
                channel.will_close = True


class TcpServer(_Deadlines, TcpWSGIServer):  # type: ignore[misc]
    pass


class UnixServer(_Deadlines, UnixWSGIServer):  # type: ignore[misc]
    pass


class BufferedWorker(Worker):  # type: ignore[misc]
    """A gunicorn worker process that serves with waitress."""

    def run(self) -> None:
        sockets: dict[int, Any] = {}
        dispatcher = Dispatcher(self.cfg.threads)
        servers = [
            self._listen(listener.sock, sockets, dispatcher)
            for listener in self.sockets
        ]
        while self.alive and self.ppid == os.getppid():
            self._turn(sockets)
        for server in servers:
            server.accepting = False
            server.del_channel()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while self._is_busy(servers) and time.monotonic() < deadline:
            self._turn(sockets)
        dispatcher.shutdown(seconds=max(deadline - time.monotonic(), 0))
        wasyncore.close_all(sockets)

    def _turn(self, sockets: dict[int, Any]) -> None:
        self.notify()
        wasyncore.loop(timeout=LOOP_SECONDS, use_poll=True, map=sockets, count=1)

    def _listen(
        self, sock: Any, sockets: dict[int, Any], dispatcher: Dispatcher
    ) -> Any:
        settings = Adjustments(
            sockets=[sock],
            ident="",
            channel_timeout=self.cfg.keepalive,
            cleanup_interval=1,
            connection_limit=CONNECTIONS,
            max_request_header_size=MOST_HEADERS,
            max_request_body_size=MOST_UPLOAD,
            # Trusted proxies are configured in Django's settings alone.
            clear_untrusted_proxy_headers=False,
        )
        kind = TcpServer if sock.family.name.startswith("AF_INET") else UnixServer
        return kind(
            self.wsgi,
            map=sockets,
            _sock=sock,
            dispatcher=dispatcher,
            adj=settings,
            bind_socket=False,
            sockinfo=(sock.family, sock.type, sock.proto, sock.getsockname()),
        )

    @staticmethod
    def _is_busy(servers: list[Any]) -> bool:
        return any(
            channel.requests or channel.total_outbufs_len
            for server in servers
            for channel in server.active_channels.values()
        )
