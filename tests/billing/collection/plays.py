"""Seeded plays: a processor with faults, killed workers, events in any order."""

import random
from typing import Any

from django.test import Client

from billing.collection.services.dispatch import (
    AttemptCaller,
    ProcessorCall,
    claim_calls,
    make_call,
    make_due_calls,
    record_outcome,
)
from billing.collection.services.inbound_events import process_events
from billing.processors.domain.port import ProcessorOutcome
from billing.processors.services.processors import add_processor
from tests.billing.collection.answering import post, signed
from tests.billing.collection.processors import FakeProcessor, seeded
from tests.billing.webhooks.conftest import Clock
from tests.build import APRIL_2


class Play:
    """One seeded play; subclasses say what is requested, called and reported."""

    calls: AttemptCaller[Any]

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.fake = FakeProcessor(faults=seeded(self.chance))
        self.row = add_processor(
            code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
        )[0]
        self.late: list[tuple[ProcessorCall[Any], ProcessorOutcome]] = []

    def ask(self) -> None:
        """Request something that may be refused."""
        raise NotImplementedError

    def body_of(self, request: Any, outcome: ProcessorOutcome) -> bytes:
        """The body of the processor's event for a request."""
        raise NotImplementedError

    def step(self) -> None:
        self.chance.choice(
            [self.ask, self.ask, self.sweep, self.sweep, self.kill, self.stall,
             self.wake, self.answer, self.answer, self.wait, self.wait]
        )()  # fmt: skip

    def sweep(self) -> None:
        make_due_calls(self.calls, clock=self.clock, connect=lambda _: self.fake)

    def kill(self) -> None:
        """A worker dies between its call and its commit."""
        for call in claim_calls(self.calls, now=self.clock(), limit=2):
            make_call(call, lambda _: self.fake, self.clock)

    def stall(self) -> None:
        """A worker makes calls, and records them only after others went on."""
        for call in claim_calls(self.calls, now=self.clock(), limit=2):
            outcome = make_call(call, lambda _: self.fake, self.clock)
            self.late.append((call, outcome))

    def wake(self) -> None:
        while self.late:
            call, outcome = self.late.pop()
            record_outcome(call=call, outcome=outcome, now=self.clock())

    def answer(self) -> None:
        """Deliver some of the events, shuffled, some twice; others never arrive."""
        self.chance.shuffle(self.fake.answers)
        for request, outcome in self.fake.answers[: self.chance.randint(0, 3)]:
            body = self.body_of(request, outcome)
            for _ in range(self.chance.randint(1, 2)):
                headers = signed(self.row, body, self.clock())
                assert post(Client(), self.row, body, headers).status_code == 204
        process_events(now=self.clock())

    def wait(self) -> None:
        self.clock.forward(minutes=self.chance.choice([1, 3, 6, 70, 60 * 7, 60 * 25]))

    def settle(self) -> None:
        """The network works again: look everything up until all outcomes are known."""
        self.fake.faults = lambda: "ok"
        self.wake()
        for _ in range(4):
            self.clock.forward(days=1, minutes=1)
            self.sweep()
        process_events(now=self.clock())
