"""A small processor on loopback that speaks our protocol, and misbehaves on demand.

It charges and refunds once per key, for ever; its journal is the truth.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from uuid import uuid4

from standardwebhooks import Webhook

from billing.webhooks.domain.signing import signed_headers
from tests.receivers import Received, answers, hangs, vanishes

Post = Callable[[bytes, dict[str, str]], Any]


@dataclass
class ReferenceProcessor:
    """The behavior of a receiver. `request_secret` verifies requests sent to it, and
    `event_secret` signs its events.

    `moods` is how it treats each request: well, deaf (closes before it has charged),
    hangs, resets or errs (all after it has charged), before (posts the event before it
    answers), never (posts the event only when inquired about), hard, soft. `post` sends
    an event to the service.
    """

    request_secret: str
    event_secret: str
    post: Post
    moods: Callable[[], str] = lambda: "well"
    charged: Callable[[], object] = lambda: None
    journal: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, bytes] = field(default_factory=dict)
    unsent: list[bytes] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: BaseHTTPRequestHandler, received: Received) -> None:
        Webhook(self.request_secret).verify(received.body, received.headers)
        kind, data = received.payload["type"], received.payload["data"]
        key, mood = _key(data), self.moods()
        with self.lock:
            self.seen[mood] += 1
        if mood == "deaf":
            return vanishes(request, received)
        if kind.endswith(".inquired"):
            self._keep_unsent(self.ends.get(key))
            return answers(204)(request, received)
        self._do(kind.partition(".")[0], data, mood)
        self.charged()
        if mood == "before":
            self.post_event(self.ends[key])
        elif mood != "never":
            self._keep_unsent(self.ends[key])
        behave = {"hangs": hangs(2), "resets": vanishes, "errs": answers(500)}
        return behave.get(mood, answers(204))(request, received)

    def post_event(self, body: bytes) -> None:
        """Sign an event and post it."""
        headers = signed_headers(
            message=f"evt_{uuid4()}",
            body=body,
            secrets=[self.event_secret],
            at=datetime.now(UTC),
        )
        self.post(body, headers)

    def take_unsent(self, most: int) -> list[bytes]:
        """Remove and return some of the events that were not posted yet."""
        with self.lock:
            taken, self.unsent = self.unsent[:most], self.unsent[most:]
        return taken

    def _keep_unsent(self, body: bytes | None) -> None:
        with self.lock:
            if body:
                self.unsent.append(body)

    def _do(self, subject: str, data: dict[str, str], mood: str) -> None:
        """A payment or a refund, once per key; the first outcome is final."""
        key = _key(data)
        with self.lock:
            if key in self.ends:
                return
            if mood in {"hard", "soft"}:
                end = {"hard": mood == "hard", "reason": "said the bank"}
                self.ends[key] = _body(f"{subject}.declined", data, end)
                return
            prefix, of = {"payment": ("ch", "invoice"), "refund": ("re", "payment")}[
                subject
            ]
            reference = f"{prefix}_{len(self.journal) + 1}"
            self.journal.append((data[of], reference))
            self.ends[key] = _body(
                f"{subject}.succeeded", data, {"reference": reference}
            )


def _key(data: dict[str, str]) -> str:
    return data.get("attempt") or data["refund"]


def _body(kind: str, data: dict[str, str], end: dict[str, Any]) -> bytes:
    names = ("attempt", "refund", "payment", "amount", "currency")
    content = {name: data[name] for name in names if name in data}
    return json.dumps({"type": kind, "data": {**content, **end}}).encode()
