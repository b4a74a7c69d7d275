"""Stripe's events: verified, read again from its API, and the same in any order."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from billing.collection.models.checkout import ProcessorCustomer
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import remove_method
from billing.processors.adapters.stripe.events import EVENT_TYPES
from billing.processors.domain.port import (
    AccountMovement,
    DisputeUpdate,
    DoesNotFit,
    ProcessorOutcome,
    RefundUpdate,
    Unreachable,
)
from tests.billing.collection.answering import post_signed as post
from tests.build import make_agency

pytestmark = pytest.mark.django_db


def updates_of(account, stripe, event):
    return account.read_updates(stripe.signed(event)[0])


@pytest.fixture
def attempt(save_card, invoice, clock):
    """Of 100.00 by the payer's card; not sent yet."""
    save_card()
    return request_charge(invoice=invoice, actor="test", now=clock())


@pytest.fixture
def charged(attempt, stripe, clock):
    """An attempt that succeeded, and its intent."""
    charge_due(clock=clock)
    return stripe.account.of("payment_intent")[0]


@pytest.fixture
def event(stripe, at_stripe):
    """An event about an object that is not ours."""
    return stripe.account.add_event(
        "product.created", {"id": "prod_1", "object": "product"}
    )


class TestRead:
    def test_says_nothing_of_what_is_not_ours(self, account, stripe, event):
        foreign = stripe.account.add(
            "pi", "payment_intent", amount=1, currency="usd", status="succeeded"
        )
        charge = stripe.account.add("ch", "charge", payment_intent=foreign["id"])

        for kind, about in [
            ("payment_intent.succeeded", foreign),
            ("charge.refunded", charge),
            ("charge.succeeded", charge),
            ("customer.created", {"id": "cus_1", "object": "customer"}),
        ]:
            assert (
                updates_of(account, stripe, stripe.account.add_event(kind, about)) == []
            )
        assert updates_of(account, stripe, event) == []

    def test_believes_the_object_and_not_the_event(self, account, stripe, charged):
        (begun,) = stripe.account.of("event", type="payment_intent.created")
        assert begun["data"]["object"]["status"] == "requires_confirmation"

        (update,) = updates_of(account, stripe, begun)

        assert (update.outcome.kind, update.amount) == ("succeeded", Decimal(100))

    def test_leaves_alone_what_may_be_on_its_way(
        self, account, stripe, customer, save_card
    ):
        save_card()
        intent = stripe.account.create_payment_intent(
            {"amount": "1", "currency": "usd", "customer": customer,
             "payment_method": "pm_visa", "metadata": {"attempt": str(uuid4())}}
        )  # fmt: skip
        begun = stripe.account.of("event", type="payment_intent.created")[0]

        (update,) = updates_of(account, stripe, begun)

        assert update.outcome.kind == "pending"
        assert intent["status"] == "requires_confirmation"

    @pytest.mark.parametrize(
        "changes",
        [{"livemode": True}, {"account": "acct_of_another"}, {"data": {"object": {}}},
         {"data": {}}, {"type": 7}, {"livemode": "no"}],
    )  # fmt: skip
    def test_sets_apart_what_is_of_another_account_or_no_event(
        self, account, stripe, charged, changes
    ):
        event = stripe.account.of("event", type="payment_intent.succeeded")[0]

        with pytest.raises(DoesNotFit):
            updates_of(account, stripe, event | changes)

    def test_sets_apart_what_is_not_there(self, account, stripe, charged):
        event = stripe.account.of("event", type="payment_intent.succeeded")[0]
        del stripe.account.objects[charged["id"]]

        with pytest.raises(DoesNotFit):
            updates_of(account, stripe, event)

    def test_sets_apart_a_currency_nobody_knows(self, account, stripe, charged):
        event = stripe.account.of("event", type="payment_intent.succeeded")[0]
        charged["currency"] = "xxx"

        with pytest.raises(DoesNotFit):
            updates_of(account, stripe, event)

    @pytest.mark.parametrize("fault", ["busy", "reset", "hang", "garbage", "error"])
    def test_comes_back_later_where_it_cannot_be_asked(
        self, account, stripe, charged, fault
    ):
        event = stripe.account.of("event", type="payment_intent.succeeded")[0]
        stripe.faults = lambda method, path: fault

        with pytest.raises(Unreachable):
            updates_of(account, stripe, event)

    def test_tells_of_refunds_whoever_gave_them(self, account, stripe, charged):
        key = uuid4()
        for metadata in ({"refund": str(key)}, {}):
            stripe.account.create_refund(
                {"payment_intent": charged["id"], "amount": "2000",
                 "metadata": metadata}
            )  # fmt: skip
        (whole,) = stripe.account.of("event", type="charge.refunded")[:1]
        charge, *updates = updates_of(account, stripe, whole)
        events = stripe.account.of("event", type="refund.created")
        single = [
            update for event in events for update in updates_of(account, stripe, event)
        ]

        assert [charge, updates[0], charge, updates[1]] == single
        assert charge.outcome == ProcessorOutcome("succeeded", charged["id"])
        assert [update.key for update in updates] == [None, key]
        assert updates[0] == RefundUpdate(
            None, charged["id"], Decimal(20), "USD", updates[0].outcome
        )
        assert updates[0].outcome.kind == "succeeded"

    @pytest.mark.parametrize(
        ("status", "kind"),
        [("pending", "pending"), ("requires_action", "pending"), ("failed", "failed"),
         ("canceled", "failed"), ("dancing", "unknown")],
    )  # fmt: skip
    def test_tells_how_a_refund_went(self, account, stripe, charged, status, kind):
        refund = stripe.account.create_refund(
            {"payment_intent": charged["id"], "amount": "2000"}
        )
        refund["status"] = status

        _, update = updates_of(
            account, stripe, stripe.account.add_event("refund.failed", refund)
        )

        assert update.outcome.kind == kind

    @pytest.mark.parametrize(
        ("status", "state"),
        [("warning_needs_response", "inquiry"), ("warning_closed", "won"),
         ("needs_response", "open"), ("under_review", "open"), ("won", "won"),
         ("lost", "lost")],
    )  # fmt: skip
    def test_tells_of_disputes(self, account, stripe, charged, status, state):
        dispute = stripe.account.dispute(charged, status)
        event = stripe.account.of("event", type="charge.dispute.created")[0]

        assert updates_of(account, stripe, event)[1:] == [
            DisputeUpdate(
                charged["id"], dispute["id"], Decimal(100), "USD", state, "fraudulent"
            )
        ]

    def test_sets_apart_a_dispute_in_a_state_nobody_knows(
        self, account, stripe, charged
    ):
        stripe.account.dispute(charged, "dancing")
        event = stripe.account.of("event", type="charge.dispute.created")[0]

        with pytest.raises(DoesNotFit):
            updates_of(account, stripe, event)


class TestMethods:
    @pytest.fixture
    def setup_event(self, stripe, payer, customer, at_stripe):
        """An event that the payer saved a card at this moment."""

        def save(reference, payer_code=payer.code):
            method = stripe.account.method(reference, customer)
            intent = stripe.account.add(
                "seti", "setup_intent", status="succeeded",
                payment_method=method["id"], metadata={"payer": payer_code},
            )  # fmt: skip
            return stripe.account.add_event("setup_intent.succeeded", intent)

        return save

    @pytest.fixture
    def take(self, client, stripe, clock):
        def taking(*events):
            for event in events:
                assert post(client, *stripe.signed(event)).status_code == 204
            process_events(now=clock.forward(minutes=1))
            rows = ProcessorEvent.objects.order_by("-pk")[: len(events)]
            return [row.state for row in reversed(rows)]

        return taking

    def test_becomes_what_the_payer_is_charged_through(self, take, setup_event, payer):
        assert take(setup_event("pm_visa")) == ["done"]

        method = PaymentMethod.objects.get()
        assert (method.payer, method.reference) == (payer, "pm_visa")
        assert (method.label, method.actor) == (
            "visa 4242, 12/2030",
            "processor stripe",
        )

    def test_is_the_one_saved_last_in_whatever_order_it_is_told(
        self, take, setup_event, clock
    ):
        first = setup_event("pm_visa_1")
        clock.forward(minutes=1)
        second = setup_event("pm_visa_2")

        take(second, first)

        assert PaymentMethod.objects.get(removed_at=None).reference == "pm_visa_2"

    def test_stays_away_once_it_was_taken_away(self, take, setup_event, payer, clock):
        take(setup_event("pm_visa"))
        remove_method(method=PaymentMethod.objects.get(), actor="test", now=clock())

        take(setup_event("pm_visa"))

        assert not PaymentMethod.objects.filter(removed_at=None).exists()

    def test_is_gone_when_it_is_gone_there(self, take, setup_event, stripe, customer):
        take(setup_event("pm_visa"))
        method = stripe.account.objects["pm_visa"]
        method["customer"] = None

        take(
            stripe.account.add_event(
                "payment_method.detached", method, customer=customer
            )
        )

        assert not PaymentMethod.objects.filter(removed_at=None).exists()

    def test_changes_its_label_with_a_new_date(self, take, setup_event, stripe):
        take(setup_event("pm_visa"))
        method = stripe.account.objects["pm_visa"]
        method["card"]["exp_year"] = 2033

        take(stripe.account.add_event("payment_method.automatically_updated", method))

        assert PaymentMethod.objects.get().label == "visa 4242, 12/2033"

    def test_that_nobody_saved_here_is_not_taken_by_a_change(
        self, take, stripe, customer, at_stripe
    ):
        method = stripe.account.method("pm_visa", customer)

        take(stripe.account.add_event("payment_method.updated", method))

        assert not PaymentMethod.objects.exists()

    def test_of_nobody_is_set_apart(self, take, setup_event):
        assert take(setup_event("pm_visa", "NOBODY")) == ["quarantined"]

    def test_of_another_customer_is_set_apart(
        self, take, setup_event, payer, at_stripe
    ):
        ProcessorCustomer.objects.create(
            processor=at_stripe, payer=payer, reference="cus_other"
        )

        assert take(setup_event("pm_visa")) == ["quarantined"]

    def test_of_another_payer_is_set_apart(self, take, setup_event):
        take(setup_event("pm_visa"))
        make_agency("OTHER")

        assert take(setup_event("pm_visa", "OTHER")) == ["quarantined"]


class TestEventsSince:
    def test_are_those_from_an_instant_on_the_oldest_first(
        self, account, stripe, charged, clock
    ):
        since = clock.forward(hours=1)
        made = [
            stripe.account.add_event("payment_intent.succeeded", charged)
            for _ in range(120)
        ]
        stripe.account.add_event(
            "product.created", {"id": "prod_1", "object": "product"}
        )

        listed = list(account.events_since(since))

        assert [event_id for event_id, _ in listed] == [event["id"] for event in made]
        assert json.loads(listed[0][1]) == made[0]
        assert account.read_updates(listed[0][1])[0].outcome.kind == "succeeded"
        assert len(EVENT_TYPES) <= 20

    def test_cannot_be_had_over_a_bad_line(self, account, stripe, clock):
        stripe.faults = lambda method, path: "reset"

        with pytest.raises(Unreachable):
            list(account.events_since(clock()))


class TestMoved:
    def test_is_what_came_in_and_went_out_without_fees(
        self, account, stripe, charged, clock
    ):
        refund = stripe.account.create_refund(
            {"payment_intent": charged["id"], "amount": "2000"}
        )
        dispute = stripe.account.dispute(charged, "needs_response")
        at = datetime.fromtimestamp(int(clock().timestamp()), UTC)

        movements = list(account.account_movements(at, at + timedelta(seconds=1)))

        assert movements == [
            AccountMovement("dispute", dispute["id"], Decimal(-100), "USD", at),
            AccountMovement("refund", refund["id"], Decimal(-20), "USD", at),
            AccountMovement("payment", charged["id"], Decimal(100), "USD", at),
        ]
        assert list(account.account_movements(at + timedelta(seconds=1), at)) == []

    def test_is_not_that_of_others_who_use_the_account(
        self, account, stripe, clock, charged
    ):
        stripe.account.method("pm_visa_2", charged["customer"])
        foreign = stripe.account.create_payment_intent(
            {
                "amount": "700", "currency": "usd", "customer": charged["customer"],
                "payment_method": "pm_visa_2", "confirm": "true",
            }
        )  # fmt: skip
        stripe.account.create_refund({"payment_intent": foreign["id"], "amount": "1"})
        stripe.account.dispute(foreign, "needs_response")
        at = clock() - timedelta(seconds=1)

        movements = list(account.account_movements(at, at + timedelta(seconds=2)))

        assert [movement.reference for movement in movements] == [charged["id"]]

    @pytest.mark.parametrize("fault", ["busy", "garbage"])
    def test_cannot_be_had_over_a_bad_line(self, account, stripe, clock, fault):
        stripe.faults = lambda method, path: fault

        with pytest.raises(Unreachable):
            list(account.account_movements(clock(), clock()))
