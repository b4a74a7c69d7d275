"""Stripe's API on a real socket, with idempotency keys, faults, and signed events.

The account behind it is as strict as Stripe's. `faults`, a function of method and path,
chooses what goes wrong: ok, busy (429), reset (before anything is done), garbage, and,
after it is done: reset_after, hang, error (500, stored under the key), garbage.
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

from tests.billing.payments.stripe_account import Json, Refused, StripeAccount
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
Response = tuple[int, Json]


@dataclass
class StoredResponse:
    """The response to the first request with an idempotency key."""

    at: datetime
    request: tuple[str, str]
    answer: Response


@dataclass
class FakeStripe:
    """A Stripe account behind a socket."""

    clock: Callable[[], datetime]
    faults: Callable[[str, str], str] = lambda method, path: "ok"
    hangs_for: float = 1.8
    url: str = ""
    requests: list[tuple[str, str, Json, dict[str, str]]] = field(default_factory=list)
    injected: Counter[str] = field(default_factory=Counter)
    stored: dict[str, StoredResponse] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.account = StripeAccount(self.clock)

    def respond(self, request: BaseHTTPRequestHandler, method: str) -> None:
        """Respond to a request, or fail as the fault says."""
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

    def signed(self, event: Json, at: datetime | None = None) -> tuple[bytes, str]:
        """An event as Stripe posts it: its body and its Stripe-Signature."""
        body = json.dumps(event)
        moment = int((at or self.clock()).timestamp())
        header = stripe.WebhookSignature.generate_signature_header(
            body, SECRET, timestamp=moment
        )
        return body.encode(), header

    def _read(self, request: BaseHTTPRequestHandler) -> tuple[str, Json]:
        parts = urlsplit(request.path)
        size = int(request.headers.get("Content-Length") or 0)
        text = request.rfile.read(size).decode() or parts.query
        return parts.path.removeprefix("/v1/"), nested(text)

    def _once(
        self,
        method: str,
        path: str,
        params: Json,
        headers: dict[str, str],
        fault: str,
    ) -> Response:
        """The response, or the one stored under the key."""
        if headers.get("authorization") != f"Bearer {KEY}":
            return 401, {"error": {"type": "invalid_request_error"}}
        key = headers.get("idempotency-key", "")
        request = (path, json.dumps(params, sort_keys=True))
        stored = self.stored.get(key)
        if method == "POST" and stored and self.clock() < stored.at + KEYS_KEPT:
            if stored.request != request:
                return 400, {"error": {"type": "idempotency_error"}}
            return stored.answer
        status, answer = self._done(method, path, params)
        if fault == "error":
            status, answer = 500, {"error": {"type": "api_error"}}
        if method == "POST" and status not in {400, 401, 404}:
            self.stored[key] = StoredResponse(self.clock(), request, (status, answer))
        return status, answer

    def _done(self, method: str, path: str, params: Json) -> Response:
        try:
            response = (
                self._post(path, params)
                if method == "POST"
                else self._get(path, params)
            )
            return 200, json.loads(json.dumps(response))
        except Refused as error:
            return error.status, {"error": json.loads(json.dumps(error.error))}

    def _post(self, path: str, params: Json) -> Json:
        account = self.account
        new: dict[str, Callable[[Json], Json]] = {
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

    def _get(self, path: str, params: Json) -> Json:
        expand = list(params.pop("expand", {}).values())
        if path in KINDS:
            page = self._page(KINDS[path], params)
            data = [
                self._expanded(row, [name.removeprefix("data.") for name in expand])
                for row in page["data"]
            ]
            return {**page, "data": data, "url": f"/v1/{path}"}
        where, reference = path.rsplit("/", 1)
        stripe_object = self.account.get(reference)
        if stripe_object["object"] != KINDS[where]:
            raise Refused(404, "invalid_request_error", "resource_missing", param="id")
        return self._expanded(stripe_object, expand)

    def _expanded(self, stripe_object: Json, names: list[str]) -> Json:
        shown = dict(stripe_object)
        for name in names:
            first, _, rest = name.partition(".")
            inner = shown.get(first)
            if isinstance(inner, str):
                inner = self.account.get(inner)
            if inner:
                shown[first] = self._expanded(inner, [rest] if rest else [])
        return shown

    def _page(self, kind: str, params: Json) -> Json:
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
    """A fake Stripe that listens until the end of the block."""
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


def nested(text: str) -> Json:
    """Form fields such as metadata[attempt]=x as nested objects."""
    fields: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, *rest = name.replace("]", "").split("[")
        inner = fields
        for step in [first, *rest][:-1]:
            inner = inner.setdefault(step, {})
        inner[[first, *rest][-1]] = value
    return fields


def _within(at: int, bounds: dict[str, str]) -> bool:
    tests: dict[str, Callable[[int], bool]] = {
        "gte": lambda bound: at >= bound,
        "lt": lambda bound: at < bound,
    }
    return all(tests[name](int(bound)) for name, bound in bounds.items())


def _write(request: BaseHTTPRequestHandler, status: int, answer: Json | bytes) -> None:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Request-Id", "req_1")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
