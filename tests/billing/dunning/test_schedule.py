"""What comes next, from what is known alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing.dunning.schedule import (
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
    Facts,
    Rules,
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
RULES = Rules([3 * DAY, 5 * DAY], 7 * DAY)


def debt(number=1, *, due=-1, attempt="declined_soft"):
    return Debt(number, f"A-{number}", NOW + due * DAY, Decimal(50), attempt)


def facts(*debts, **more):
    return Facts(NOW, debts or (debt(),), **{"method": 7, **more})


class TestAfterFailure:
    def test_plans_retry_after_retry_each_from_now(self):
        first = after_failure(Course(), facts(), RULES).course
        second = after_failure(replace(first, retry_at=None), facts(), RULES).course

        assert (first.retry_at, second.retry_at) == (NOW + 3 * DAY, NOW + 5 * DAY)

    def test_leaves_a_retry_that_is_planned_where_it_is(self):
        planned = Course(retries=1, retry_at=NOW + DAY)

        assert after_failure(planned, facts(), RULES).course == planned

    def test_is_overdue_after_the_last_one(self):
        move = after_failure(Course(retries=2), facts(), RULES)

        assert move.course == Course(OVERDUE, 2, None, NOW + 7 * DAY)
        assert move.steps == (NOW_OVERDUE,)

    def test_waits_for_the_due_date_after_the_last_one(self):
        move = after_failure(Course(retries=2), facts(debt(due=4)), RULES)

        assert move.course == Course(WAITING, 2, None, NOW + 4 * DAY)

    @pytest.mark.parametrize(("due", "days"), [(-1, 3), (1, 3), (9, 9)])
    def test_leaves_some_days_for_another_method(self, due, days):
        move = after_failure(Course(), facts(debt(due=due), spent=True), RULES)

        assert move.course == Course(WAITING, 0, None, NOW + days * DAY)
        assert move.steps == (METHOD_NEEDED,)

    @pytest.mark.parametrize("state", [OVERDUE, SUSPENDED])
    def test_moves_no_deadline_of_what_is_overdue(self, state):
        course = Course(state, 2, None, NOW + DAY if state == OVERDUE else None)

        assert after_failure(course, facts(spent=True), RULES).course == course
        assert after_failure(course, facts(), RULES).course == course

    def test_gives_up_at_once_without_a_schedule(self):
        move = after_failure(Course(), facts(), Rules([], 7 * DAY))

        assert move.course.state == OVERDUE


class TestWithMethod:
    @pytest.mark.parametrize("state", [RETRYING, WAITING, OVERDUE, SUSPENDED])
    def test_is_charged_now_and_moves_no_deadline(self, state):
        course = Course(state, 2, None, NOW + DAY)

        move = with_method(course, facts())

        after = RETRYING if state == WAITING else state
        assert move.course == Course(after, 0, NOW, NOW + DAY)


class TestAfterSuccess:
    def test_charges_the_next_at_once(self):
        assert after_success(Course(), facts()).course.retry_at == NOW

    def test_leaves_it_where_the_method_is_spent(self):
        assert after_success(Course(), facts(spent=True)).course == Course()


class TestAfterPayment:
    def test_ends_where_nothing_is_owed_late(self):
        rest = debt(2, due=9, attempt=None)

        for state in (RETRYING, WAITING, OVERDUE, SUSPENDED):
            move = after_payment(Course(state), facts(rest), RULES, paid=True)
            assert move.course.state == CLOSED

    def test_changes_nothing_where_a_part_was_paid(self):
        course = Course(OVERDUE, 1, None, NOW + DAY)

        assert after_payment(course, facts(), RULES, paid=False).course == course

    def test_lets_dial_and_begins_anew_where_the_rest_is_not_due(self):
        rest = facts(debt(2, due=9))

        move = after_payment(Course(SUSPENDED, 2), rest, RULES, paid=True)

        assert move.course == Course(RETRYING, 1, NOW + 3 * DAY)
        assert move.steps == (LIFTED, RETRY_SCHEDULED)

    def test_goes_on_with_the_next_without_another_grace(self):
        course = Course(OVERDUE, 2, None, NOW + DAY)

        move = after_payment(course, facts(debt(2)), RULES, paid=True)

        assert move.course == Course(OVERDUE, 1, NOW + 3 * DAY, NOW + DAY)


class TestWhenDue:
    def test_charges_before_it_escalates(self):
        course = Course(OVERDUE, 1, NOW, NOW - DAY)

        move = when_due(course, facts(), RULES)

        assert move
        assert (move.charges, move.course.state) == (True, OVERDUE)

    def test_suspends_when_the_grace_is_over(self):
        move = when_due(Course(OVERDUE, 2, None, NOW), facts(), RULES)

        assert move
        assert (move.course.state, move.steps) == (SUSPENDED, (NOW_SUSPENDED,))

    @pytest.mark.parametrize("attempt", ["created", "sent", "pending", "unknown"])
    def test_rests_while_a_charge_is_under_way(self, attempt):
        known = facts(debt(), debt(2, attempt=attempt))

        assert when_due(Course(OVERDUE, 2, None, NOW), known, RULES) is None

    @pytest.mark.parametrize(("days", "rests"), [(1, True), (0, False)])
    def test_rests_while_it_is_held(self, days, rests):
        known = facts(held_until=NOW + days * DAY)

        move = when_due(Course(OVERDUE, 2, None, NOW), known, RULES)

        assert (move is None) == rests

    def test_does_not_charge_by_what_is_spent(self):
        move = when_due(Course(RETRYING, 1, NOW), facts(spent=True), RULES)

        assert move
        assert (move.charges, move.steps) == (False, (METHOD_NEEDED,))

    def test_waits_on_where_what_is_left_is_not_due(self):
        course = Course(WAITING, 0, None, NOW)

        move = when_due(course, facts(debt(2, due=5)), RULES)

        assert move
        assert move.course == replace(course, escalate_at=NOW + 5 * DAY)

    @pytest.mark.parametrize(
        "course", [Course(RETRYING, 1, NOW + DAY), Course(SUSPENDED)]
    )
    def test_does_nothing_before_it_is_due(self, course):
        assert when_due(course, facts(), RULES) is None


class TestBeginOverdue:
    def test_tells_before_it_charges_what_nobody_charged(self):
        move = begin_overdue(facts(debt(attempt="succeeded")), RULES)

        assert (move.course.retry_at, move.charges) == (NOW + 3 * DAY, False)

    def test_begins_the_grace_where_nothing_can_be_charged(self):
        move = begin_overdue(facts(debt(attempt=None), method=None), RULES)

        assert move.course == Course(OVERDUE, 0, None, NOW + 7 * DAY)


class TestHeld:
    def test_lets_who_is_suspended_dial_until_then(self):
        move = held(Course(SUSPENDED, 2), NOW + 9 * DAY)

        assert move.course == Course(OVERDUE, 2, None, NOW + 9 * DAY)
        assert move.steps == (LIFTED, HELD)


class TestOwed:
    def test_sums_what_is_left(self):
        assert owed([debt(), debt(2)]) == 100
        assert owed([]) == 0
