"""What a processor tells by webhook gives the same books in every order."""

from datetime import timedelta
from functools import cache
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.payments.models import Payment, ProcessorEvent, Refund
from billing.payments.services.answers import set_events_aside, work_off_events
from billing.payments.services.receiving import receive_payment
from billing.webhooks.models import OutboxEvent
from tests.billing.payments.stories import (
    STORIES,
    Books,
    Story,
    Teller,
    charge,
    dispute,
    refund,
    unfinished,
)
from tests.laws import THOROUGH, examples
from tests.rollback import rolled_back

pytestmark = pytest.mark.django_db

EXAMPLES = examples(8)


@pytest.fixture
def teller(invoice, processor, clock):
    """A processor and an invoice of 100.00, not charged yet."""
    return Teller(invoice, processor, clock)


@pytest.fixture
def natural(teller):
    """The books after a story in its natural order; each step read by itself."""

    @cache
    def books(name):
        steps = STORIES[name].steps
        return told(teller, STORIES[name], steps, range(len(steps)))

    return books


def told(teller, story, order, sweeps) -> Books:
    """The books after one order, in a world of its own."""
    with rolled_back():
        here = Teller(
            teller.invoice, teller.processor, teller.clock, client=teller.client
        )
        here.begin(story)
        books = here.play(order, sweeps)
        assert books.findings == ()
        assert unfinished() == [], order
    return books


def orders_of(story: Story):
    """Every order of a short story; of a longer one some, and all where there is time."""
    every = list(permutations(story.steps))
    return every if len(every) <= 6 or THOROUGH else every[::6]


class TestOrders:
    @pytest.mark.parametrize("name", STORIES)
    def test_end_in_the_same_books(self, teller, natural, name):
        story = STORIES[name]
        steps = range(len(story.steps))

        for order in orders_of(story):
            assert same(told(teller, story, order, steps), natural(name)), order

    @given(st.data())
    @EXAMPLES
    def test_and_repetitions_end_in_the_same_books(self, teller, natural, data):
        name = data.draw(st.sampled_from(sorted(STORIES)))
        steps = STORIES[name].steps
        again = data.draw(st.lists(st.sampled_from(steps), max_size=3))
        order = data.draw(st.permutations([*steps, *again]))
        sweeps = data.draw(st.sets(st.integers(0, len(order))))

        books = told(teller, STORIES[name], order, sweeps)

        assert same(books, natural(name)), order


def same(books: Books, expected: Books) -> bool:
    """Attempts have other ids in each world; all else must agree."""
    states = [[state for _, *state in one.attempts] for one in (books, expected)]
    rest = [{**vars(one), "attempts": ()} for one in (books, expected)]
    return states[0] == states[1] and rest[0] == rest[1]


class TestWaiting:
    def test_begins_where_a_payment_is_not_known_yet(self, teller):
        teller.begin(Story([]))
        teller.tell(refund("succeeded", "re_1", 30))

        teller.sweep()

        event = ProcessorEvent.objects.get()
        assert (event.state, event.payment_reference) == ("waiting", "ch_0")
        assert event.reason == "Payment ch_0 has not been received yet."
        assert not Refund.objects.exists()

    def test_ends_in_the_transaction_that_records_the_payment(self, teller):
        teller.begin(Story([]))
        teller.tell(refund("succeeded", "re_1", 30))
        teller.sweep()
        before = ProcessorEvent.objects.get()

        receive_payment(
            payer=teller.invoice.payer, amount=teller.invoice.total, currency="USD",
            processor="acme", reference="ch_0", now=teller.clock(),
        )  # fmt: skip

        event = ProcessorEvent.objects.get()
        assert before.due_at > teller.clock() == event.due_at
        teller.sweep()
        assert unfinished() == []
        assert Refund.objects.get().payment == Payment.objects.get()

    def test_is_for_the_processor_and_the_payment_it_names(self, teller, other):
        teller.begin(Story([]))
        teller.tell(refund("succeeded", "re_1", 30))
        teller.sweep()
        due_at = ProcessorEvent.objects.get().due_at

        for code, reference in (("other", "ch_0"), ("acme", "ch_1")):
            receive_payment(
                payer=teller.invoice.payer, amount=teller.invoice.total,
                currency="USD", processor=code, reference=reference,
                now=teller.clock(),
            )  # fmt: skip

        assert ProcessorEvent.objects.get().due_at == due_at

    def test_is_tried_again_by_the_sweep_alone(self, teller):
        """Somebody recorded the payment while the event was being read."""
        teller.begin(Story([]))
        teller.tell(refund("succeeded", "re_1", 30))
        teller.sweep()
        teller.tell(charge("succeeded"))
        teller.sweep()
        ProcessorEvent.objects.filter(payment_reference="ch_0").update(
            state="waiting", due_at=teller.clock() + timedelta(minutes=2)
        )
        tries = []
        for minutes in (1, 3):
            work_off_events(now=teller.clock() + timedelta(minutes=minutes))
            tries.append(len(unfinished()))

        assert tries == [1, 0]

    def test_is_tried_more_rarely_the_older_it_is(self, teller):
        teller.begin(Story([]))
        teller.tell(refund("succeeded", "re_1", 30))
        received_at = ProcessorEvent.objects.get().received_at
        pauses = []
        for hours in (0.01, 0.5, 12):
            now = received_at + timedelta(hours=hours)
            work_off_events(now=now)
            event = ProcessorEvent.objects.get()
            pauses.append((event.due_at - now) / timedelta(minutes=1))

        assert pauses == [1, 30, 60]
        assert event.tries == 0

    def test_ends_when_staff_set_it_aside(self, teller):
        teller.begin(Story([]))
        teller.tell(refund("succeeded", "re_1", 30))
        teller.sweep()

        set_events_aside(
            events=list(ProcessorEvent.objects.all()), reason="not ours",
            actor="staff", now=teller.clock(),
        )  # fmt: skip
        teller.tell(charge("succeeded"))
        teller.sweep()

        assert [state for state, _ in unfinished()] == ["set_aside"]

    def test_is_not_for_what_never_fits(self, teller):
        """More went back than was captured, and no dispute can give it back."""
        teller.begin(Story([]))
        for step in (charge("succeeded"), refund("succeeded", "re_1", 60)):
            teller.tell(step)
        teller.tell(refund("succeeded", "re_2", 60))

        teller.sweep()

        assert [state for state, _ in unfinished()] == ["quarantined"]

    @pytest.mark.parametrize("reference", ["", "x" * 201, "a\0b"])
    def test_is_not_for_a_reference_that_no_payment_can_have(self, teller, reference):
        teller.begin(Story([]))
        teller.tell(dispute("opened", "dp_1", 10, payment=reference))

        teller.sweep()

        assert [state for state, _ in unfinished()] == ["quarantined"]


class TestASuccessAfterAFailure:
    def test_is_booked_and_told(self, teller):
        teller.begin(Story([], first=[charge("failed", reason="no route")]))

        teller.tell(charge("succeeded"))
        teller.sweep()

        teller.invoice.refresh_from_db()
        assert teller.invoice.status == "paid"
        events = OutboxEvent.objects.filter(stream__agency=teller.invoice.payer)
        kinds = list(events.order_by("sequence").values_list("type", flat=True))
        assert kinds[kinds.index("payment.failed") :] == [
            "payment.failed", "dunning.started", "dunning.payment_method_needed",
            "payment.received", "invoice.paid", "dunning.ended",
        ]  # fmt: skip

    def test_is_credit_where_the_invoice_was_paid_meanwhile(self, teller):
        teller.begin(Story([], first=[charge("failed")], second=True))
        for number in (1, 0):
            teller.tell(charge("succeeded", number))

        books = teller.play([])

        assert books.credit == 100
        assert books.invoices == (("paid", False),)
        assert books.findings == ()

    def test_is_not_believed_of_what_was_never_sent(self, teller):
        teller.begin(Story([]))
        attempt = teller.attempts[0]
        type(attempt).objects.filter(pk=attempt.pk).update(state="failed")
        second = teller.request_unsent()

        teller.tell(charge("succeeded", 1))
        teller.sweep()

        second.refresh_from_db()
        assert second.state == "created"
        assert "was never sent" in unfinished()[0][1]
