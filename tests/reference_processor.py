"""A small processor on loopback that speaks our protocol, and can be told to misbehave.

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

from billing.webhooks.signing import signed_headers
from tests.receivers import Received, answers, hangs, vanishes

Tell = Callable[[bytes, dict[str, str]], Any]


@dataclass
class ReferenceProcessor:
    """Behaves for a receiver. `checks` verifies what it is told, `signs` its answers.

    `moods` says how each request goes: well, deaf (gone before it has charged), hangs,
    resets or errs (all after it has charged), before (it tells before it answers), never
    (it tells only when it is asked), hard, soft. `tell` posts an answer to the door.
    """

    checks: str
    signs: str
    tell: Tell
    moods: Callable[[], str] = lambda: "well"
    charged: Callable[[], object] = lambda: None
    journal: list[tuple[str, str]] = field(default_factory=list)
    ends: dict[str, bytes] = field(default_factory=dict)
    untold: list[bytes] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, request: BaseHTTPRequestHandler, received: Received) -> None:
        Webhook(self.checks).verify(received.body, received.headers)
        kind, told = received.told["type"], received.told["data"]
        key, mood = _key(told), self.moods()
        with self.lock:
            self.seen[mood] += 1
        if mood == "deaf":
            return vanishes(request, received)
        if kind.endswith(".inquired"):
            self._remember(self.ends.get(key))
            return answers(204)(request, received)
        self._do(kind.partition(".")[0], told, mood)
        self.charged()
        if mood == "before":
            self.say(self.ends[key])
        elif mood != "never":
            self._remember(self.ends[key])
        behave = {"hangs": hangs(2), "resets": vanishes, "errs": answers(500)}
        return behave.get(mood, answers(204))(request, received)

    def say(self, body: bytes) -> None:
        """Sign an answer and post it."""
        headers = signed_headers(
            message=f"evt_{uuid4()}",
            body=body,
            secrets=[self.signs],
            at=datetime.now(UTC),
        )
        self.tell(body, headers)

    def take_untold(self, most: int) -> list[bytes]:
        """Some of what it has not told yet."""
        with self.lock:
            taken, self.untold = self.untold[:most], self.untold[most:]
        return taken

    def _remember(self, body: bytes | None) -> None:
        with self.lock:
            if body:
                self.untold.append(body)

    def _do(self, what: str, told: dict[str, str], mood: str) -> None:
        """A payment or a refund, once per key; what it did first it says for ever."""
        key = _key(told)
        with self.lock:
            if key in self.ends:
                return
            if mood in {"hard", "soft"}:
                end = {"hard": mood == "hard", "reason": "said the bank"}
                self.ends[key] = _body(f"{what}.declined", told, end)
                return
            prefix, of = {"payment": ("ch", "invoice"), "refund": ("re", "payment")}[
                what
            ]
            reference = f"{prefix}_{len(self.journal) + 1}"
            self.journal.append((told[of], reference))
            self.ends[key] = _body(f"{what}.succeeded", told, {"reference": reference})


def _key(told: dict[str, str]) -> str:
    return told.get("attempt") or told["refund"]


def _body(kind: str, told: dict[str, str], end: dict[str, Any]) -> bytes:
    names = ("attempt", "refund", "payment", "amount", "currency")
    data = {name: told[name] for name in names if name in told}
    return json.dumps({"type": kind, "data": {**data, **end}}).encode()
