"""The pure schedule: the next step of a case, from a snapshot of its payer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.dunning.domain.schedule import (
    CLOSED,
    HELD,
    LIFTED,
    METHOD_NEEDED,
    NOW_OVERDUE,
    NOW_SUSPENDED,
    OVERDUE,
    RETRY_SCHEDULED,
    RETRYING,
    SUSPENDED,
    WAITING,
    Course,
    Debt,
    DunningPolicy,
    PayerSnapshot,
    after_failure,
    after_payment,
    after_success,
    begin_overdue,
    held,
    owed,
    when_due,
    with_method,
)

NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = DunningPolicy([3 * DAY, 5 * DAY], 7 * DAY)


def debt(number=1, *, due=-1, attempt="declined_soft"):
    return Debt(number, f"A-{number}", NOW + due * DAY, Decimal(50), attempt)


def snapshot(*debts, **more):
    return PayerSnapshot(NOW, debts or (debt(),), **{"method": 7, **more})


class TestAfterFailure:
    def test_plans_retry_after_retry_each_from_now(self):
        first = after_failure(Course(), snapshot(), POLICY).course
        second = after_failure(replace(first, retry_at=None), snapshot(), POLICY).course

        assert (first.retry_at, second.retry_at) == (NOW + 3 * DAY, NOW + 5 * DAY)

    def test_leaves_a_retry_that_is_planned_where_it_is(self):
        planned = Course(retries=1, retry_at=NOW + DAY)

        assert after_failure(planned, snapshot(), POLICY).course == planned

    def test_is_overdue_after_the_last_one(self):
        transition = after_failure(Course(retries=2), snapshot(), POLICY)

        assert transition.course == Course(OVERDUE, 2, None, NOW + 7 * DAY)
        assert transition.steps == (NOW_OVERDUE,)

    def test_waits_for_the_due_date_after_the_last_one(self):
        transition = after_failure(Course(retries=2), snapshot(debt(due=4)), POLICY)

        assert transition.course == Course(WAITING, 2, None, NOW + 4 * DAY)

    @pytest.mark.parametrize(("due", "days"), [(-1, 3), (1, 3), (9, 9)])
    def test_leaves_some_days_for_another_method(self, due, days):
        transition = after_failure(
            Course(), snapshot(debt(due=due), method_failed=True), POLICY
        )

        assert transition.course == Course(WAITING, 0, None, NOW + days * DAY)
        assert transition.steps == (METHOD_NEEDED,)

    @pytest.mark.parametrize("state", [OVERDUE, SUSPENDED])
    def test_moves_no_deadline_of_what_is_overdue(self, state):
        course = Course(state, 2, None, NOW + DAY if state == OVERDUE else None)

        assert (
            after_failure(course, snapshot(method_failed=True), POLICY).course == course
        )
        assert after_failure(course, snapshot(), POLICY).course == course

    def test_gives_up_at_once_without_a_schedule(self):
        transition = after_failure(Course(), snapshot(), DunningPolicy([], 7 * DAY))

        assert transition.course.state == OVERDUE


class TestWithMethod:
    @pytest.mark.parametrize("state", [RETRYING, WAITING, OVERDUE, SUSPENDED])
    def test_is_charged_now_and_moves_no_deadline(self, state):
        course = Course(state, 2, None, NOW + DAY)

        transition = with_method(course, snapshot())

        after = RETRYING if state == WAITING else state
        assert transition.course == Course(after, 0, NOW, NOW + DAY)


class TestAfterSuccess:
    def test_charges_the_next_at_once(self):
        assert after_success(Course(), snapshot()).course.retry_at == NOW

    def test_leaves_it_where_the_method_is_spent(self):
        assert after_success(Course(), snapshot(method_failed=True)).course == Course()


class TestAfterPayment:
    def test_ends_where_nothing_is_owed_late(self):
        rest = debt(2, due=9, attempt=None)

        for state in (RETRYING, WAITING, OVERDUE, SUSPENDED):
            transition = after_payment(Course(state), snapshot(rest), POLICY, paid=True)
            assert transition.course.state == CLOSED

    def test_changes_nothing_where_a_part_was_paid(self):
        course = Course(OVERDUE, 1, None, NOW + DAY)

        assert after_payment(course, snapshot(), POLICY, paid=False).course == course

    def test_lets_dial_and_begins_anew_where_the_rest_is_not_due(self):
        rest = snapshot(debt(2, due=9))

        transition = after_payment(Course(SUSPENDED, 2), rest, POLICY, paid=True)

        assert transition.course == Course(RETRYING, 1, NOW + 3 * DAY)
        assert transition.steps == (LIFTED, RETRY_SCHEDULED)

    def test_goes_on_with_the_next_without_another_grace(self):
        course = Course(OVERDUE, 2, None, NOW + DAY)

        transition = after_payment(course, snapshot(debt(2)), POLICY, paid=True)

        assert transition.course == Course(OVERDUE, 1, NOW + 3 * DAY, NOW + DAY)


class TestWhenDue:
    def test_charges_before_it_escalates(self):
        course = Course(OVERDUE, 1, NOW, NOW - DAY)

        transition = when_due(course, snapshot(), POLICY)

        assert transition
        assert (transition.charges, transition.course.state) == (True, OVERDUE)

    def test_suspends_when_the_grace_is_over(self):
        transition = when_due(Course(OVERDUE, 2, None, NOW), snapshot(), POLICY)

        assert transition
        assert (transition.course.state, transition.steps) == (
            SUSPENDED,
            (NOW_SUSPENDED,),
        )

    @pytest.mark.parametrize("attempt", ["created", "sent", "pending", "unknown"])
    def test_rests_while_a_charge_is_under_way(self, attempt):
        resting = snapshot(debt(), debt(2, attempt=attempt))

        assert when_due(Course(OVERDUE, 2, None, NOW), resting, POLICY) is None

    @pytest.mark.parametrize(("days", "rests"), [(1, True), (0, False)])
    def test_rests_while_it_is_held(self, days, rests):
        resting = snapshot(held_until=NOW + days * DAY)

        transition = when_due(Course(OVERDUE, 2, None, NOW), resting, POLICY)

        assert (transition is None) == rests

    def test_does_not_charge_by_what_is_spent(self):
        transition = when_due(
            Course(RETRYING, 1, NOW), snapshot(method_failed=True), POLICY
        )

        assert transition
        assert (transition.charges, transition.steps) == (False, (METHOD_NEEDED,))

    def test_waits_on_where_what_is_left_is_not_due(self):
        course = Course(WAITING, 0, None, NOW)

        transition = when_due(course, snapshot(debt(2, due=5)), POLICY)

        assert transition
        assert transition.course == replace(course, escalate_at=NOW + 5 * DAY)

    @pytest.mark.parametrize(
        "course", [Course(RETRYING, 1, NOW + DAY), Course(SUSPENDED)]
    )
    def test_does_nothing_before_it_is_due(self, course):
        assert when_due(course, snapshot(), POLICY) is None


class TestBeginOverdue:
    def test_tells_before_it_charges_what_nobody_charged(self):
        transition = begin_overdue(snapshot(debt(attempt="succeeded")), POLICY)

        assert (transition.course.retry_at, transition.charges) == (
            NOW + 3 * DAY,
            False,
        )

    def test_begins_the_grace_where_nothing_can_be_charged(self):
        transition = begin_overdue(snapshot(debt(attempt=None), method=None), POLICY)

        assert transition.course == Course(OVERDUE, 0, None, NOW + 7 * DAY)


class TestHeld:
    def test_lets_who_is_suspended_dial_until_then(self):
        transition = held(Course(SUSPENDED, 2), NOW + 9 * DAY)

        assert transition.course == Course(OVERDUE, 2, None, NOW + 9 * DAY)
        assert transition.steps == (LIFTED, HELD)


class TestOwed:
    def test_sums_what_is_left(self):
        assert owed([debt(), debt(2)]) == 100
        assert owed([]) == 0
