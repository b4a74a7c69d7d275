"""Seats cannot be removed before their last use."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from billing.metering.models import UsageDay
from billing.metering.queries.usage import USED_DAYS, used_days
from core.errors import ReasonMissing
from core.periods import DateRange
from seats.cutoffs.services import take_cut
from seats.models import Seat, SeatVersion
from seats.roster.domain.versions import HolderClaim
from seats.roster.services.changes import RemovedDates, Use
from seats.roster.services.limits import SeatUsedLater
from seats.roster.services.seats import (
    add_seats,
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.build import (
    MARCH,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)

pytestmark = pytest.mark.django_db
BY: dict[str, Any] = {"actor": "ana", "now": datetime(2026, 3, 31, 12, tzinfo=UTC)}


def march(day: int) -> date:
    return date(2026, 3, day)


def use_on(day: int, agent: str = "ana", **changes: Any) -> None:
    at = datetime(2026, 3, day, 16, tzinfo=UTC)
    (result,) = use(call(agent=agent, occurred_at=at, **changes))
    assert result.status == "accepted"


@pytest.fixture
def seat(db) -> Seat:
    make_prices()
    (seat,) = make_seats(make_agency(), "ana")
    return seat


def waived() -> dict[str, int]:
    """The forgiven dates, by the action of their seat version."""
    rows = SeatVersion.objects.filter(waived_days__gt=0)
    return dict(rows.values_list("action", "waived_days"))


class TestKeepUsedDays:
    def test_refuses_a_removal_before_the_last_use(self, seat):
        use_on(5)
        use_on(10)

        with pytest.raises(SeatUsedLater, match=r"on 2026-03-10.* 2026-03-11"):
            remove_seats(seats=[seat], on=march(9), **BY)

        assert Seat.objects.get().removed_on is None

    def test_a_removal_on_the_last_use_takes_effect_the_day_after(self, seat):
        use_on(10)

        (removed,) = remove_seats(seats=[seat], on=march(10), **BY)
        (again,) = remove_seats(seats=[seat], on=march(10), **BY)

        assert (removed.removed_on, again.removed_on) == (march(11), march(11))

    def test_refuses_to_cancel_a_seat_used_on_its_first_date_alone(self, seat):
        use_on(1)
        (removed,) = remove_seats(seats=[seat], on=march(1), **BY)
        assert removed.removed_on == march(1)

        with pytest.raises(SeatUsedLater, match="2026-03-01"):
            cancel_seats(seats=[seat], reason="Typo", **BY)

    def test_remembers_who_used_it_before_it_was_handed_over(self, seat):
        use_on(10)
        (ben,) = make_agents(seat.agency, "ben")
        hand_over_seats(moves=[(seat, ben)], on=march(1), **BY)

        with pytest.raises(SeatUsedLater):
            cancel_seats(seats=[seat], reason="Typo", **BY)
        with pytest.raises(SeatUsedLater):
            remove_seats(seats=[seat], on=march(9), **BY)

    def test_goes_along_with_a_seat_that_staff_transferred(self, seat):
        use_on(10)
        (to,) = make_agents(make_agency("OTHER"), "ana")
        by_staff = {**BY, "staff": True, "reason": "Wrong agency"}
        (new,) = transfer_seats(moves=[(seat, to)], on=march(2), **by_staff)

        with pytest.raises(SeatUsedLater):
            cancel_seats(seats=[new], reason="Typo", **BY)
        with pytest.raises(SeatUsedLater):
            remove_seats(seats=[new], on=march(9), **BY)
        assert waived() == {"transfer": 1}

    def test_asks_staff_why_and_records_what_they_gave_away(self, seat):
        use_on(5)
        use_on(10)
        by_staff = {**BY, "staff": True}

        with pytest.raises(ReasonMissing, match="2 of these dates"):
            remove_seats(seats=[seat], on=march(4), **by_staff)
        remove_seats(seats=[seat], on=march(6), reason="Goodwill", **by_staff)
        assert waived() == {"remove": 1}
        cancel_seats(seats=[seat], reason="Goodwill", **by_staff)
        assert waived() == {"remove": 1, "cancel": 1}

    def test_holds_for_what_was_re_opened(self, seat):
        use_on(10)
        by_staff = {**BY, "staff": True, "reason": "Left"}
        (removed,) = remove_seats(seats=[seat], on=march(5), **by_staff)
        reopen_seats(seats=[removed], **BY)

        with pytest.raises(SeatUsedLater):
            remove_seats(seats=[seat], on=march(5), **BY)

    def test_lets_staff_take_it_back_further(self, seat):
        use_on(10)

        remove_seats(seats=[seat], on=march(5), staff=True, reason="Left", **BY)

        assert Seat.objects.get().removed_on == march(5)

    def test_does_not_mind_an_unanswered_call(self, seat):
        use_on(10, quantity=Decimal(0))

        remove_seats(seats=[seat], on=march(5), **BY)

        assert Seat.objects.get(pk=seat.pk).removed_on == march(5)

    def test_holds_for_transfers_and_cancellations(self, seat):
        use_on(10)
        (to,) = make_agents(make_agency("OTHER"), "ana")

        with pytest.raises(SeatUsedLater):
            transfer_seats(moves=[(seat, to)], on=march(9), **BY)
        with pytest.raises(SeatUsedLater):
            cancel_seats(seats=[seat], reason="Typo", **BY)

    def test_does_not_mind_a_call_that_was_taken_back_under_a_later_cut(self, seat):
        use_on(10)
        take_back(UsageDay.objects.get())

        remove_seats(seats=[seat], on=march(5), **BY)

        assert Seat.objects.get(pk=seat.pk).removed_on == march(5)

    def test_still_minds_what_is_left_of_such_a_day(self, seat):
        use_on(10)
        use_on(10, id="kept")
        take_back(UsageDay.objects.get(), part=Decimal("0.5"))

        with pytest.raises(SeatUsedLater):
            remove_seats(seats=[seat], on=march(5), **BY)

    def test_asks_who_held_the_seat_when_it_was_used(self, seat):
        (ben,) = make_agents(seat.agency, "ben")
        then = {**BY, "now": datetime(2026, 3, 8, 16, tzinfo=UTC)}
        hand_over_seats(moves=[(seat, ben)], on=march(8), **then)
        add_seats(agents=[seat.agent], on=march(8), **then)
        use_on(20, "ana")  # on her new seat

        remove_seats(seats=[seat], on=march(15), **BY)

        assert Seat.objects.get(pk=seat.pk).removed_on == march(15)

    def test_is_not_led_astray_by_a_later_seat_of_the_agent(self, seat):
        use_on(10)
        remove_seats(seats=[seat], on=march(12), **BY)
        add_seats(agents=[seat.agent], on=march(20), **BY)
        use_on(25)

        with pytest.raises(SeatUsedLater, match="2026-03-10"):
            remove_seats(seats=[seat], on=march(5), **BY)


class TestUsedDays:
    def test_asks_the_days_of_the_agencies_by_their_index(self, seat):
        use_on(10)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            params: dict[str, Any] = {
                "seats": [seat.pk], "agents": [seat.agent_id], "starts": [MARCH],
                "ends": ["infinity"], "first": MARCH,
            }  # fmt: skip
            cursor.execute("EXPLAIN " + USED_DAYS, params)
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert "Seq Scan on billing_usageday" not in plan
        assert "agency_id = ANY" in plan.partition("billing_usageday")[2]

    def test_takes_one_query_for_many_seats(self, seat, django_assert_num_queries):
        seats = [seat, *make_seats(seat.agency, *"bcdefgh")]
        use_on(10)
        use_on(12)
        removals = [
            RemovedDates(
                used_seat.pk,
                DateRange(MARCH, None),
                [HolderClaim(used_seat.agent_id, MARCH, None)],
            )
            for used_seat in seats
        ]

        with django_assert_num_queries(1):
            uses = used_days(removals)

        assert uses == {seat.pk: Use(2, march(12))}

    def test_of_no_seats_is_empty(self):
        assert used_days([]) == {}


def take_back(day: UsageDay, *, part: Decimal = Decimal(1)) -> None:
    """Add the row that a correction of that day leaves under the next cut-off."""
    taken = take_cut([day.agency_id], closing=date(2026, 2, 1))[day.agency_id]
    UsageDay.objects.create(
        agency_id=day.agency_id, agent_id=day.agent_id, meter_id=day.meter_id,
        breakdown=day.breakdown, used_on=day.used_on, cutoff=taken + 1, events=0,
        raw=-day.raw * part, billable=-day.billable * part,
    )  # fmt: skip
