"""Stripe's API on a real socket, with idempotency keys, faults, and signed events.

The account behind it is as strict as theirs. What goes wrong is chosen by `faults`, a
function of method and path: ok, busy (429), reset (before anything is done), garbage,
and, after it is done: reset_after, hang, error (500, kept under the key), garbage.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import stripe

from tests.billing.processors.stripe_account import Refused, Resource, StripeAccount
from tests.receivers import Quiet

KEYS_KEPT = timedelta(hours=24)
SECRET = "whsec_of_the_fake"
KEY = "sk_test_of_the_fake"
KINDS = {
    "customers": "customer",
    "payment_intents": "payment_intent",
    "payment_methods": "payment_method",
    "setup_intents": "setup_intent",
    "checkout/sessions": "checkout.session",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
    "events": "event",
    "balance_transactions": "balance_transaction",
}
Answer = tuple[int, Resource]


@dataclass
class Kept:
    """What was answered under a key."""

    at: datetime
    request: tuple[str, str]
    answer: Answer


@dataclass
class FakeStripe:
    """A Stripe account behind a socket."""

    clock: Callable[[], datetime]
    faults: Callable[[str, str], str] = lambda method, path: "ok"
    hangs_for: float = 1.8
    url: str = ""
    requests: list[tuple[str, str, Resource, dict[str, str]]] = field(
        default_factory=list
    )
    injected: Counter[str] = field(default_factory=Counter)
    kept: dict[str, Kept] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.account = StripeAccount(self.clock)

    def respond(self, request: BaseHTTPRequestHandler, method: str) -> None:
        """Answer a request, or do to it what the fault says."""
        path, params = self._read(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        fault = self.faults(method, path)
        self.injected[fault] += 1
        if fault == "busy":
            _write(request, 429, {"error": {"type": "api_error", "code": "lock"}})
            return
        if fault == "reset":
            request.connection.close()
            return
        with self.lock:
            self.requests.append((method, path, params, headers))
            status, answer = self._once(method, path, params, headers, fault)
        if fault in {"hang", "reset_after"}:
            time.sleep(self.hangs_for if fault == "hang" else 0)
            request.connection.close()
            return
        _write(request, status, b'{"object": ' if fault == "garbage" else answer)

    def signed(self, event: Resource, at: datetime | None = None) -> tuple[bytes, str]:
        """An event as it is posted: its body and its Stripe-Signature."""
        body = json.dumps(event)
        moment = int((at or self.clock()).timestamp())
        header = stripe.WebhookSignature.generate_signature_header(
            body, SECRET, timestamp=moment
        )
        return body.encode(), header

    def _read(self, request: BaseHTTPRequestHandler) -> tuple[str, Resource]:
        parts = urlsplit(request.path)
        size = int(request.headers.get("Content-Length") or 0)
        text = request.rfile.read(size).decode() or parts.query
        return parts.path.removeprefix("/v1/"), nested(text)

    def _once(
        self,
        method: str,
        path: str,
        params: Resource,
        headers: dict[str, str],
        fault: str,
    ) -> Answer:
        """The answer, or the one that is kept under the key."""
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"error": {"type": "invalid_request_error"}}
        key = headers.get("idempotency-key", "")
        request = (path, json.dumps(params, sort_keys=True))
        kept = self.kept.get(key)
        if method == "POST" and kept and self.clock() < kept.at + KEYS_KEPT:
            if kept.request != request:
                return 400, {"error": {"type": "idempotency_error"}}
            return kept.answer
        status, answer = self._perform(method, path, params)
        if fault == "error":
            status, answer = 500, {"error": {"type": "api_error"}}
        if method == "POST" and status not in {400, 401, 404}:
            self.kept[key] = Kept(self.clock(), request, (status, answer))
        return status, answer

    def _perform(self, method: str, path: str, params: Resource) -> Answer:
        try:
            done = (
                self._post(path, params)
                if method == "POST"
                else self._get(path, params)
            )
            return 200, json.loads(json.dumps(done))
        except Refused as error:
            return error.status, {"error": json.loads(json.dumps(error.error))}

    def _post(self, path: str, params: Resource) -> Resource:
        account = self.account
        new: dict[str, Callable[[Resource], Resource]] = {
            "customers": account.create_customer,
            "payment_intents": account.create_payment_intent,
            "checkout/sessions": account.create_session,
            "refunds": account.create_refund,
        }
        if path in new:
            return new[path](params)
        where, reference, action = path.rsplit("/", 2)
        if (where, action) == ("payment_intents", "cancel"):
            return account.cancel_payment_intent(account.get(reference), params)
        if (where, action) == ("checkout/sessions", "expire"):
            return account.expire_session(account.get(reference))
        raise Refused(404, "invalid_request_error")

    def _get(self, path: str, params: Resource) -> Resource:
        expand = list(params.pop("expand", {}).values())
        if path in KINDS:
            page = self._page(KINDS[path], params)
            data = [
                self._expanded(row, [name.removeprefix("data.") for name in expand])
                for row in page["data"]
            ]
            return {**page, "data": data, "url": f"/v1/{path}"}
        where, reference = path.rsplit("/", 1)
        resource = self.account.get(reference)
        if resource["object"] != KINDS[where]:
            raise Refused(404, "invalid_request_error", "resource_missing", param="id")
        return self._expanded(resource, expand)

    def _expanded(self, resource: Resource, names: list[str]) -> Resource:
        shown = dict(resource)
        for name in names:
            first, _, rest = name.partition(".")
            inner = shown.get(first)
            if isinstance(inner, str):
                inner = self.account.get(inner)
            if inner:
                shown[first] = self._expanded(inner, [rest] if rest else [])
        return shown

    def _page(self, kind: str, params: Resource) -> Resource:
        limit, after = int(params.pop("limit", 10)), params.pop("starting_after", None)
        created, types = params.pop("created", {}), params.pop("types", {}).values()
        rows = [
            row for row in self.account.of(kind, **params)
            if _within(row["created"], created)
            and (not types or row["type"] in types)
        ]  # fmt: skip
        if after:
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        more = len(rows) > limit
        return {"object": "list", "data": rows[:limit], "has_more": more}


@contextmanager
def fake_stripe(clock: Callable[[], datetime], **options: Any) -> Iterator[FakeStripe]:
    """One that listens until the end of the block."""
    fake = FakeStripe(clock, **options)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fake.respond(self, "POST")

        def do_GET(self) -> None:
            fake.respond(self, "GET")

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = Quiet(("127.0.0.1", 0), Handler)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


def nested(text: str) -> Resource:
    """Form fields like metadata[attempt]=x as the objects they mean."""
    fields: Resource = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = name.replace("]", "").split("[")
        inner = fields
        for step in [first, *rest][:-1]:
            inner = inner.setdefault(step, {})
        inner[[first, *rest][-1]] = value
    return fields


def _within(at: int, wanted: dict[str, str]) -> bool:
    tests: dict[str, Callable[[int], bool]] = {
        "gte": lambda bound: at >= bound,
        "lt": lambda bound: at < bound,
    }
    return all(tests[name](int(bound)) for name, bound in wanted.items())


def _write(
    request: BaseHTTPRequestHandler, status: int, answer: Resource | bytes
) -> None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Request-Id", "req_1")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
