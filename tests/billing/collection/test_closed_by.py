"""Who closed an attempt by hand is a column; its error is a text for people."""

import pytest

from billing.collection.api.serializers import AttemptOut
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import make_due_calls
from billing.collection.services.manual_resolution import close_attempt
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.services.recording import Contradiction
from billing.processors.domain.port import ProcessorOutcome
from tests.billing.collection.processors import FakeProcessor

BY_THE_BANK = ProcessorOutcome("failed", reason="by the bank: account closed")


def lose_answer(calls, clock):
    """Send what is due, lose the answer, and wait a day."""
    fake = FakeProcessor(faults=lambda: "lost")
    make_due_calls(calls, clock=clock, connect=lambda _: fake)
    clock.forward(hours=24)


def close(attempt, outcome, clock, reference=""):
    close_attempt(
        attempt=attempt, outcome=outcome, reason="seen there", actor="staff",
        now=clock(), reference=reference,
    )  # fmt: skip
    attempt.refresh_from_db()


@pytest.mark.django_db
class TestClosedBy:
    @pytest.fixture
    def stuck(self, charge, clock):
        attempt = charge()
        lose_answer(CHARGES, clock)
        attempt.refresh_from_db()
        return attempt

    def test_is_who_closed_the_attempt(self, stuck, clock):
        close(stuck, "failed", clock)

        assert (stuck.closed_by, stuck.last_error) == ("staff", "by staff: seen there")
        assert AttemptOut(stuck).data["error"] == "by hand"

    def test_is_empty_whatever_the_processor_gives_as_its_reason(self, stuck, clock):
        after = apply_charge_outcome(attempt=stuck, outcome=BY_THE_BANK, now=clock())

        assert (after.state, after.closed_by) == ("failed", "")
        assert AttemptOut(after).data["error"] == "by the bank: account closed"

    def test_is_empty_again_once_the_processor_reports_a_success(self, stuck, clock):
        close(stuck, "failed", clock)

        apply_charge_outcome(
            attempt=stuck, outcome=ProcessorOutcome("succeeded", "ch_1"), now=clock()
        )

        stuck.refresh_from_db()
        assert (stuck.state, stuck.closed_by) == ("succeeded", "")

    def test_makes_a_failure_after_the_success_contradict_it(self, stuck, clock):
        close(stuck, "succeeded", clock, "ch_1")

        with pytest.raises(Contradiction):
            apply_charge_outcome(attempt=stuck, outcome=BY_THE_BANK, now=clock())

    def test_is_not_read_from_the_reason_of_a_success(self, stuck, clock):
        reported = ProcessorOutcome("succeeded", "ch_1", "by card: visa 4242")
        apply_charge_outcome(attempt=stuck, outcome=reported, now=clock())

        late = apply_charge_outcome(attempt=stuck, outcome=BY_THE_BANK, now=clock())

        assert (late.state, late.closed_by) == ("succeeded", "")
