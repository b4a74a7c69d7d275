"""Seeded plays: a processor with faults, killed workers, answers in any order."""

import random
from typing import Any

from django.test import Client

from billing.payments.processors.port import ProcessorOutcome
from billing.payments.services.answers import process_events
from billing.payments.services.calling import (
    AttemptCaller,
    ProcessorCall,
    claim_calls,
    make_call,
    make_due_calls,
    record_outcome,
)
from billing.payments.services.registering import add_processor
from tests.billing.payments.answering import post, signed
from tests.billing.payments.processors import FakeProcessor, seeded
from tests.billing.webhooks.conftest import Clock
from tests.build import APRIL_2


class Play:
    """One seed. What is called, asked for and answered is its subclass's."""

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
        """Want something done that may be refused."""
        raise NotImplementedError

    def body_of(self, asked: Any, outcome: ProcessorOutcome) -> bytes:
        """The answer of the processor."""
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
        """A worker that has called, and records it only when others have gone on."""
        for call in claim_calls(self.calls, now=self.clock(), limit=2):
            outcome = make_call(call, lambda _: self.fake, self.clock)
            self.late.append((call, outcome))

    def wake(self) -> None:
        while self.late:
            call, outcome = self.late.pop()
            record_outcome(call=call, outcome=outcome, now=self.clock())

    def answer(self) -> None:
        """Some of the answers, shuffled, some twice; others never come."""
        self.chance.shuffle(self.fake.answers)
        for asked, outcome in self.fake.answers[: self.chance.randint(0, 3)]:
            body = self.body_of(asked, outcome)
            for _ in range(self.chance.randint(1, 2)):
                headers = signed(self.row, body, self.clock())
                assert post(Client(), self.row, body, headers).status_code == 204
        process_events(now=self.clock())

    def wait(self) -> None:
        self.clock.forward(minutes=self.chance.choice([1, 3, 6, 70, 60 * 7, 60 * 25]))

    def settle(self) -> None:
        """The line is good again: everything is asked about until all is known."""
        self.fake.faults = lambda: "ok"
        self.wake()
        for _ in range(4):
            self.clock.forward(days=1, minutes=1)
            self.sweep()
        process_events(now=self.clock())
