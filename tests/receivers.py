"""A real receiver of webhooks on loopback, with a behavior that tests choose."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes
    path: str = "/"

    @property
    def payload(self) -> dict[str, Any]:
        """The body, as JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


Behaviour = Callable[[BaseHTTPRequestHandler, Received], None]


def answers(status: int, body: bytes = b"", **headers: str) -> Behaviour:
    def behave(request: BaseHTTPRequestHandler, received: Received) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return behave


def hangs(seconds: float = 3) -> Behaviour:
    return lambda request, received: time.sleep(seconds)


def drips(what: str) -> Behaviour:
    """A byte at a time, of the headers or of the body, for longer than anybody waits."""

    def behave(request: BaseHTTPRequestHandler, received: Received) -> None:
        start = b"HTTP/1.1 200 OK\r\n"
        if what == "body":
            start += b"Content-Length: 1000\r\n\r\n"
        request.wfile.write(start)
        for _ in range(60):
            request.wfile.write(b"a")
            request.wfile.flush()
            time.sleep(0.05)

    return behave


def vanishes(request: BaseHTTPRequestHandler, received: Received) -> None:
    """End the connection without a word."""
    request.connection.close()


def floods(request: BaseHTTPRequestHandler, received: Received) -> None:
    """More of an answer than anybody wants."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(2_000):
        request.wfile.write(b"x" * 65_536)


@dataclass
class Receiver:
    """Keeps every request in order; `behave` may change at any time."""

    behave: Behaviour = field(default_factory=lambda: answers(204))
    received: list[Received] = field(default_factory=list)
    taken: list[Received] = field(default_factory=list)
    url: str = ""

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        size = int(request.headers["Content-Length"])
        received = Received(
            {name.lower(): value for name, value in request.headers.items()},
            request.rfile.read(size),
            request.path,
        )
        self.received.append(received)
        try:
            self.behave(request, received)
        except OSError:
            return  # the sender has left


@contextmanager
def receiving(
    behave: Behaviour | None = None,
    *,
    tls: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Receiver]:
    """A receiver that listens until the end of the block."""
    receiver = Receiver()
    receiver.behave = behave or receiver.behave

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.handle(self)

        def do_GET(self) -> None:
            receiver.received.append(Received({}, b"", f"GET {self.path}"))
            answers(200)(self, receiver.received[-1])

        def log_message(self, *_: Any) -> None:
            """Be quiet."""

    server = Quiet((host, port), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.url = f"http{'s' if tls else ''}://{host}:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that leaves is no news."""


def write_certificate(path: Path, *, host: str) -> Path:
    """A key and a certificate of its own authority for a name or an address."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver")])
    try:
        who: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        who = x509.DNSName(host)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([who]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
