"""A payer that owes, a processor that answers as told, and a clock that a test moves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from billing.authorize.domain.scopes import AuthorizeScope
from billing.authorize.queries import may_dial
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.charges import charge_due
from billing.collection.services.methods import save_method
from billing.dunning.models import DunningCase, DunningStep
from billing.dunning.services.sweep import step_due
from billing.processors.services.processors import add_processor
from billing.receivables.services.payments import receive_payment
from billing.webhooks.models import OutboxEvent
from seats.api_keys.models import ApiKey
from seats.api_keys.services import create_key
from seats.models import Agency
from tests.billing.collection.processors import FakeProcessor
from tests.build import APRIL_2, make_agency, make_prices, make_seats

ISSUED = datetime(2026, 4, 2, 12, tzinfo=UTC)  # when `bill(MARCH)` runs
DUE = ISSUED + timedelta(days=14)
_ids = count(1)


class Days:
    """The clock of a history; `fake` answers with the faults in turn, then "ok"."""

    def __init__(self) -> None:
        self.now = ISSUED
        self.faults: list[str] = []
        self.fake = FakeProcessor(lambda: self.faults.pop(0) if self.faults else "ok")

    def __call__(self) -> datetime:
        return self.now

    def at(self, day: float) -> datetime:
        """Go to so many days after the issue, and let the sweeps run."""
        self.now = ISSUED + timedelta(days=day)
        self.sweep()
        return self.now

    def sweep(self) -> None:
        """Dunning, what it charges, and what comes of that, until nothing is due."""
        while step_due(now=self.now) or charge_due(
            clock=self, connect=lambda _: self.fake
        ):
            pass

    @property
    def charges(self) -> list[float]:
        """The days on which a card was asked."""
        seconds = [(at - ISSUED).total_seconds() for _, at in self.fake.calls]
        return [second / 86_400 for second in seconds]


@pytest.fixture
def at_once(settings: Any) -> None:
    """Drafts are issued without a review."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}


@pytest.fixture
def prices(db: None, at_once: None) -> None:
    make_prices()


@pytest.fixture
def payer(prices: None) -> Agency:
    """Two seats, an address, before any invoice."""
    return make_payer()


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def processor(db: None) -> Any:
    return make_processor()


@pytest.fixture
def card(payer: Agency, processor: Any) -> Callable[..., PaymentMethod]:
    """Save a method of the payer's; another card each time."""
    return lambda now=ISSUED, of=payer: save_card(of, processor, now)


def make_payer(code: str = "SUNRISE") -> Agency:
    agency = make_agency(code)
    agency.billing_account.email = f"{code.lower()}@example.com"
    agency.billing_account.save()
    make_seats(agency, "ana", "ben")
    return agency


def make_processor() -> Any:
    return add_processor(
        code="acme", url="https://pay.example.com/hook", actor="test", now=APRIL_2
    )[0]


def save_card(payer: Agency, processor: Any, now: datetime) -> PaymentMethod:
    number = next(_ids)
    return save_method(
        payer=payer, processor=processor, customer="cus", reference=f"pm_{number}",
        label=f"visa {number:04}", actor="test", now=now,
    )  # fmt: skip


def pay(payer: Agency, amount: int, now: datetime, **more: Any) -> None:
    receive_payment(
        payer=payer, amount=Decimal(amount), currency="USD", processor="manual",
        reference=f"wire {next(_ids)}", now=now, **more,
    )  # fmt: skip


def the_case() -> DunningCase:
    return DunningCase.objects.get()


def kinds(payer: Agency) -> list[str]:
    """The steps of a payer's cases, in order."""
    rows = DunningStep.objects.filter(case__payer=payer)
    return list(rows.order_by("pk").values_list("kind", flat=True))


def published_types(payer: Agency) -> list[str]:
    """The events about dunning and standing, in order."""
    rows = OutboxEvent.objects.filter(stream__agency=payer).order_by("sequence")
    types = rows.values_list("type", flat=True)
    return [kind for kind in types if kind.startswith(("dunning.", "account."))]


def allowed(agency: Agency, now: datetime) -> bool | list[str]:
    """Whether ana may dial, or why not."""
    key = ApiKey.objects.filter(agency=agency).first()
    if key is None:
        scopes = [AuthorizeScope.READ]
        key, _ = create_key(agency=agency, scopes=scopes, actor="test", now=now)
    lookup = may_dial(digest=key.digest, code="", agent="ana", now=now)
    assert lookup
    assert lookup.decision
    return lookup.decision.allowed or lookup.decision.reasons


def newest_attempt() -> PaymentAttempt:
    return PaymentAttempt.objects.order_by("-pk")[0]


def day(number: float) -> datetime:
    """So many days after the issue."""
    return ISSUED + timedelta(days=number)
