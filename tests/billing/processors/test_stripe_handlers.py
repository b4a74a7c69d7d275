"""The table from Stripe's event types to what reads them."""

from pathlib import Path

import pytest

from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.processors.adapters.stripe.events import (
    EVENT_TYPES,
    HANDLERS,
    NOT_REQUESTED,
)
from billing.processors.domain.port import ProcessorOutcome

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).resolve().parents[3] / "docs/payments.md"


@pytest.fixture
def charged(save_card, invoice, stripe, clock):
    """The intent of a charge that succeeded."""
    save_card()
    request_charge(invoice=invoice, actor="test", now=clock())
    charge_due(clock=clock)
    return stripe.account.of("payment_intent")[0]


class TestHandlers:
    def test_take_every_type_that_is_requested(self):
        assert set(EVENT_TYPES) | NOT_REQUESTED == set(HANDLERS)
        assert not set(EVENT_TYPES) & NOT_REQUESTED

    def test_are_requested_as_the_docs_list_them(self):
        section = DOCS.read_text().split("The events:\n\n")[1].split("\n\n")[0]

        assert sorted(section.split()) == sorted(EVENT_TYPES)

    @pytest.mark.parametrize("name", sorted(NOT_REQUESTED))
    def test_read_the_object_also_where_the_type_is_not_requested(
        self, account, stripe, charged, name
    ):
        about = charged
        if name.startswith("charge.dispute"):
            about = stripe.account.dispute(charged, "needs_response")

        event = stripe.account.add_event(name, about)
        updates = account.read_updates(stripe.signed(event)[0])

        assert updates[0].outcome == ProcessorOutcome("succeeded", charged["id"])
