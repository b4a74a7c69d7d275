"""The payment processor of the demo: no money moves, and one card has no funds.

While the demo is filled it is called in the process. `manage.py demo_processor` serves
it on loopback, so that invoices can be paid on the pages of `make run`.
"""

import json
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

from standardwebhooks import Webhook, WebhookVerificationError

from billing.collection.services.dispatch import Clock
from billing.processors.adapters.webhook import WebhookProcessor
from billing.processors.domain.port import ChargeRequest, Processor, ProcessorOutcome
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.processors.services.registry import connect, secrets_of

CODE, ADDRESS = "demo", "http://127.0.0.1:8799/"
WITHOUT_FUNDS = "LAKESIDE"
NO_FUNDS = "insufficient funds"
POST_SECONDS = 10


def add_demo_processor(*, now: datetime) -> PaymentProcessor:
    """Add the processor. Raises BadUrl where loopback is not allowed."""
    return add_processor(code=CODE, url=ADDRESS, actor="demo", now=now)[0]


class DemoProcessor(WebhookProcessor):
    """The processor without the network: its answers are the outcomes."""

    def charge(self, charge: ChargeRequest, *, at: datetime) -> ProcessorOutcome:
        """Charge, or decline the payer without funds."""
        if charge.payer == WITHOUT_FUNDS:
            return ProcessorOutcome("declined_soft", reason=NO_FUNDS)
        return ProcessorOutcome("succeeded", reference=_reference("ch", charge.key))


def connect_demo(processor: PaymentProcessor) -> Processor:
    """The client of the demo's processor, in this process."""
    client = connect(processor)
    assert isinstance(client, WebhookProcessor)
    return DemoProcessor(client.url, client.sending, client.receiving, client.limits)


def serve(events_url: str, *, clock: Clock) -> None:
    """Answer requests on loopback until the process ends, and post outcomes as events."""
    processor = PaymentProcessor.objects.get(code=CODE)
    sent = Webhook(secrets_of(processor, "sending").current)
    signing = Webhook(secrets_of(processor, "receiving").current)

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                request = sent.verify(body, dict(self.headers))
            except (WebhookVerificationError, ValueError):
                self.send_error(400)
                return
            self.send_response(204)
            self.end_headers()
            _post(events_url, signing, _event(request), clock())

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing: the web server logs the events."""

    address = urlsplit(processor.url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    ThreadingHTTPServer((host, port), Door).serve_forever()


def _event(request: Any) -> dict[str, Any]:
    """What became of a request; of the same request always the same."""
    kind, data = request["type"].partition(".")[0], request["data"]
    if kind == "payment" and data["payer"] == WITHOUT_FUNDS:
        return {"type": "payment.declined", "data": {**data, "reason": NO_FUNDS}}
    prefix, name = ("ch", "attempt") if kind == "payment" else ("re", "refund")
    reference = _reference(prefix, UUID(data[name]))
    return {"type": f"{kind}.succeeded", "data": {**data, "reference": reference}}


def _reference(prefix: str, key: UUID) -> str:
    """The processor's id of what was requested with a key."""
    return f"{prefix}_{key.hex[:16]}"


def _post(url: str, signing: Webhook, event: dict[str, Any], now: datetime) -> None:
    body, message = json.dumps(event), f"evt_{uuid4()}"
    headers = {
        "content-type": "application/json",
        "webhook-id": message,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signing.sign(message, now, body),
    }
    urlopen(Request(url, body.encode(), headers), timeout=POST_SECONDS).close()
