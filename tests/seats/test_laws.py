"""The laws of seats over random histories: a date is billed once, moves keep days."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.periods import billed_range
from seats.models import Seat, SeatHolding
from tests.billing.invoicing import worlds
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.billing.invoicing.worlds import START, World
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
HORIZON = START + timedelta(days=200)
KEEPS_DAYS = {"hand_over", "transfer"}
steps_of_seats = st.lists(worlds.seat_facts, min_size=4, max_size=25)


@pytest.fixture(autouse=True)
def far_back(settings):
    settings.BILLING = {**settings.BILLING, "BACKDATE_DAYS": 400}


def seat_days() -> int:
    """What all seats are billed up to the horizon."""
    days = 0
    for seat in Seat.objects.filter(cancelled=False):
        billed = billed_range(seat.added_on, seat.removed_on)
        end = min(billed.end or HORIZON, HORIZON)
        days += max(0, (end - billed.start).days)
    return days


def dates_of(holding: SeatHolding) -> tuple[date, date]:
    return holding.starts_on, holding.ends_on or date.max


class TestLaws:
    @given(steps_of_seats)
    @EXAMPLES
    def test_handing_over_and_transferring_conserve_days(
        self, beginning: World, steps: list[tuple[Any, ...]]
    ) -> None:
        with rolled_back():
            world = beginning.again()
            for step in steps:
                before = seat_days()
                world.play(step)
                if step[0] in KEEPS_DAYS:
                    assert seat_days() == before

    @given(steps_of_seats)
    @EXAMPLES
    def test_a_removal_taken_back_leaves_no_trace_in_days(
        self, beginning: World, steps: list[tuple[Any, ...]]
    ) -> None:
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            open_ones = [n for n, seat in enumerate(world.seats) if _is_open(seat)]
            before = seat_days()
            for n in open_ones:
                world.play(("remove", n, 60))
            for n in open_ones:
                if not _is_open(world.seats[n]):
                    world.play(("reopen", n))

            assert seat_days() == before

    @given(steps_of_seats)
    @EXAMPLES
    def test_a_seat_and_date_has_one_holder_and_the_holders_fill_the_seat(
        self, beginning: World, steps: list[tuple[Any, ...]]
    ) -> None:
        with rolled_back():
            world = beginning.again()
            for step in steps:
                world.play(step)
            for seat in Seat.objects.all():
                held = sorted(map(dates_of, seat.holdings.all()))
                assert all(earlier[1] == later[0] for earlier, later in pairwise(held))
                if seat.cancelled:
                    assert held == []
                else:
                    billed = billed_range(seat.added_on, seat.removed_on)
                    assert held[0][0] == billed.start
                    assert held[-1][1] == (billed.end or date.max)


def _is_open(seat: Seat) -> bool:
    current = Seat.objects.get(pk=seat.pk)
    return not current.cancelled and current.removed_on is None
