"""Processor events end in the same books in every order."""

from datetime import timedelta
from functools import cache
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.inbound_events import process_events, set_events_aside
from billing.receivables.models import Payment, Refund
from billing.receivables.services.payments import receive_payment
from billing.webhooks.models import OutboxEvent
from tests.billing.collection.stories import (
    STORIES,
    FinalState,
    Story,
    StoryProcessor,
    charge,
    dispute,
    refund,
    unfinished,
)  # fmt: skip
from tests.laws import THOROUGH, examples
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("billed_once")]
EXAMPLES = examples(8)


@pytest.fixture
def sender(invoice, processor, clock):
    """A processor and an invoice of 100.00, not charged yet."""
    return StoryProcessor(invoice, processor, clock)


@pytest.fixture
def natural(sender):
    """The final state of a story in its natural order, with a sweep after each step."""

    @cache
    def state(name):
        steps = STORIES[name].steps
        return played(sender, STORIES[name], steps, range(len(steps)))

    return state


def played(sender, story, order, sweeps) -> FinalState:
    """The final state after one order, for an invoice of its own."""
    with rolled_back():
        here = StoryProcessor(
            sender.invoice, sender.processor, sender.clock, client=sender.client
        )
        here.begin(story)
        state = here.play(order, sweeps)
        assert state.findings == ()
        assert unfinished() == [], order
    return state


def orders_of(story: Story):
    """Every order of a short story; of a longer one some, and all where there is time."""
    every = list(permutations(story.steps))
    return every if len(every) <= 6 or THOROUGH else every[::6]


class TestOrders:
    @pytest.mark.parametrize("name", STORIES)
    def test_end_in_the_same_books(self, sender, natural, name):
        story = STORIES[name]
        steps = range(len(story.steps))

        for order in orders_of(story):
            assert same(played(sender, story, order, steps), natural(name)), order

    @given(st.data())
    @EXAMPLES
    def test_and_repetitions_end_in_the_same_books(self, sender, natural, data):
        name = data.draw(st.sampled_from(sorted(STORIES)))
        steps = STORIES[name].steps
        again = data.draw(st.lists(st.sampled_from(steps), max_size=3))
        order = data.draw(st.permutations([*steps, *again]))
        sweeps = data.draw(st.sets(st.integers(0, len(order))))

        state = played(sender, STORIES[name], order, sweeps)

        assert same(state, natural(name)), order


def same(actual: FinalState, expected: FinalState) -> bool:
    """Whether two states agree, except for the ids of attempts."""
    states = [[state for _, *state in each.attempts] for each in (actual, expected)]
    rest = [{**vars(each), "attempts": ()} for each in (actual, expected)]
    return states[0] == states[1] and rest[0] == rest[1]


class TestWaiting:
    def test_begins_where_a_payment_is_not_known_yet(self, sender):
        sender.begin(Story([]))
        sender.tell(refund("succeeded", "re_1", 30))

        sender.sweep()

        event = ProcessorEvent.objects.get()
        assert (event.state, event.payment_reference) == ("waiting", "ch_0")
        assert event.last_error == "Payment ch_0 has not been received yet."
        assert not Refund.objects.exists()

    def test_ends_in_the_transaction_that_records_the_payment(self, sender):
        sender.begin(Story([]))
        sender.tell(refund("succeeded", "re_1", 30))
        sender.sweep()
        before = ProcessorEvent.objects.get()

        receive_payment(
            payer=sender.invoice.payer, amount=sender.invoice.total, currency="USD",
            processor="acme", reference="ch_0", now=sender.clock(),
        )  # fmt: skip

        event = ProcessorEvent.objects.get()
        assert before.next_attempt_at > sender.clock() == event.next_attempt_at
        sender.sweep()
        assert unfinished() == []
        assert Refund.objects.get().payment == Payment.objects.get()

    def test_is_for_the_processor_and_the_payment_it_names(self, sender, other):
        sender.begin(Story([]))
        sender.tell(refund("succeeded", "re_1", 30))
        sender.sweep()
        next_attempt_at = ProcessorEvent.objects.get().next_attempt_at

        for code, reference in (("other", "ch_0"), ("acme", "ch_1")):
            receive_payment(
                payer=sender.invoice.payer, amount=sender.invoice.total,
                currency="USD", processor=code, reference=reference,
                now=sender.clock(),
            )  # fmt: skip

        assert ProcessorEvent.objects.get().next_attempt_at == next_attempt_at

    def test_is_tried_again_by_the_sweep_alone(self, sender):
        """Somebody recorded the payment while the event was being read."""
        sender.begin(Story([]))
        sender.tell(refund("succeeded", "re_1", 30))
        sender.sweep()
        sender.tell(charge("succeeded"))
        sender.sweep()
        ProcessorEvent.objects.filter(payment_reference="ch_0").update(
            state="waiting", next_attempt_at=sender.clock() + timedelta(minutes=2)
        )
        tries = []
        for minutes in (1, 3):
            process_events(now=sender.clock() + timedelta(minutes=minutes))
            tries.append(len(unfinished()))

        assert tries == [1, 0]

    def test_is_tried_more_rarely_the_older_it_is(self, sender):
        sender.begin(Story([]))
        sender.tell(refund("succeeded", "re_1", 30))
        received_at = ProcessorEvent.objects.get().received_at
        pauses = []
        for hours in (0.01, 0.5, 12):
            now = received_at + timedelta(hours=hours)
            process_events(now=now)
            event = ProcessorEvent.objects.get()
            pauses.append((event.next_attempt_at - now) / timedelta(minutes=1))

        assert pauses == [1, 30, 60]
        assert event.attempts == 0

    def test_ends_when_staff_set_it_aside(self, sender):
        sender.begin(Story([]))
        sender.tell(refund("succeeded", "re_1", 30))
        sender.sweep()

        set_events_aside(
            events=list(ProcessorEvent.objects.all()), reason="not ours",
            actor="staff", now=sender.clock(),
        )  # fmt: skip
        sender.tell(charge("succeeded"))
        sender.sweep()

        assert [state for state, _ in unfinished()] == ["set_aside"]

    def test_is_not_for_what_never_fits(self, sender):
        """More went back than was captured, and no dispute can give it back."""
        sender.begin(Story([]))
        for step in (charge("succeeded"), refund("succeeded", "re_1", 60)):
            sender.tell(step)
        sender.tell(refund("succeeded", "re_2", 60))

        sender.sweep()

        assert [state for state, _ in unfinished()] == ["quarantined"]

    @pytest.mark.parametrize("reference", ["", "x" * 201, "a\0b"])
    def test_is_not_for_a_reference_that_no_payment_can_have(self, sender, reference):
        sender.begin(Story([]))
        sender.tell(dispute("opened", "dp_1", 10, payment=reference))

        sender.sweep()

        assert [state for state, _ in unfinished()] == ["quarantined"]


class TestASuccessAfterAFailure:
    def test_is_booked_and_told(self, sender):
        sender.begin(Story([], first=[charge("failed", reason="no route")]))

        sender.tell(charge("succeeded"))
        sender.sweep()

        sender.invoice.refresh_from_db()
        assert sender.invoice.state == "paid"
        events = OutboxEvent.objects.filter(stream__agency=sender.invoice.payer)
        kinds = list(events.order_by("sequence").values_list("type", flat=True))
        assert kinds[kinds.index("payment.failed") :] == [
            "payment.failed", "dunning.started", "dunning.payment_method_needed",
            "payment.received", "invoice.paid", "dunning.ended",
        ]  # fmt: skip

    def test_is_credit_where_the_invoice_was_paid_meanwhile(self, sender):
        sender.begin(Story([], first=[charge("failed")], second=True))
        for number in (1, 0):
            sender.tell(charge("succeeded", number))

        state = sender.play([])

        assert state.credit == 100
        assert state.invoices == (("paid", False),)
        assert state.findings == ()

    def test_is_not_believed_of_what_was_never_sent(self, sender):
        sender.begin(Story([]))
        attempt = sender.attempts[0]
        type(attempt).objects.filter(pk=attempt.pk).update(
            state="failed", leased_until=None
        )
        second = sender.request_unsent()

        sender.tell(charge("succeeded", 1))
        sender.sweep()

        second.refresh_from_db()
        assert second.state == "created"
        assert "was never sent" in unfinished()[0][1]
