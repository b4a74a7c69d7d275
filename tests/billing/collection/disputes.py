"""Example disputes."""

from decimal import Decimal
from typing import Literal

from billing.collection.services.disputes import apply_dispute_update
from billing.processors.domain.port import DisputeUpdate
from billing.processors.services.processors import add_processor
from billing.receivables.services.payments import receive_payment
from seats.models import Agency
from tests.build import MAY_2

STATES: dict[str, Literal["open", "lost"]] = {"dp_1": "open", "dp_2": "lost"}


def make_disputes(payer: Agency) -> None:
    """A payment of which one part is disputed, and another lost."""
    acme = add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=MAY_2
    )[0]
    receive_payment(
        payer=payer, amount=Decimal(50), currency="USD", processor="acme",
        reference="ch_1", now=MAY_2,
    )  # fmt: skip
    for reference, state in STATES.items():
        update = DisputeUpdate("ch_1", reference, Decimal(15), "USD", state)
        apply_dispute_update(processor=acme, update=update, now=MAY_2)
