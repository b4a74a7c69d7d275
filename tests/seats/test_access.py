"""Who reaches whom, at an instant."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from seats.access.queries import out_of_reach, reached_by
from seats.agencies.services import set_upline
from seats.models import Upline
from tests.build import MARCH_1, make_agency

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)  # 1 am of the 11th in Auckland
HONOLULU, AUCKLAND = "Pacific/Honolulu", "Pacific/Auckland"


def move(agency, upline, on, now=MARCH_1):
    set_upline(agency=agency, upline=upline, on=on, now=now, actor="test")


@pytest.mark.django_db
class TestReachedBy:
    def test_goes_down_and_never_up(self):
        root = make_agency("ROOT")
        middle = make_agency("MIDDLE", upline=root)
        leaf, other = make_agency("LEAF", upline=middle), make_agency("OTHER")

        assert reached_by(root.pk, now=NOON) == {root.pk, middle.pk, leaf.pk}
        assert reached_by(middle.pk, now=NOON) == {middle.pk, leaf.pk}
        assert reached_by(other.pk, now=NOON) == {other.pk}

    @pytest.mark.parametrize(
        ("above", "below"), [(HONOLULU, AUCKLAND), (AUCKLAND, HONOLULU)]
    )
    def test_reaches_a_child_at_once_across_the_date_line(self, above, below):
        now = NOON.replace(hour=10, minute=30)  # 00:30 on 11 March in Auckland
        root = make_agency("ROOT", zone=above)
        child = make_agency("CHILD", zone=below, upline=root, now=now)

        assert reached_by(root.pk, now=now) == {root.pk, child.pk}

    def test_an_edge_holds_by_the_dates_of_the_agency_that_it_places(self):
        root = make_agency("ROOT", zone=HONOLULU)
        child = make_agency("CHILD", zone=AUCKLAND, upline=root)
        below = make_agency("BELOW", zone=HONOLULU, upline=child)
        move(child, None, date(2026, 3, 11))
        midnight = datetime(2026, 3, 10, 11, tzinfo=UTC)  # 11 March begins in Auckland

        before = reached_by(root.pk, now=midnight - timedelta(seconds=1))
        assert before == {root.pk, child.pk, below.pk}
        assert reached_by(root.pk, now=midnight) == {root.pk}
        assert reached_by(child.pk, now=midnight) == {child.pk, below.pk}

    def test_two_who_change_places_across_dates_do_not_make_it_walk_for_ever(self):
        first, second = make_agency("ONE"), make_agency("TWO")
        move(first, second, date(2026, 3, 1))
        move(first, None, date(2026, 3, 10))
        move(second, first, date(2026, 3, 10))

        assert reached_by(first.pk, now=NOON) == {first.pk, second.pk}
        assert reached_by(second.pk, now=NOON) == {second.pk}

    def test_asks_once_where_no_edge_begins_or_ends(self):
        root = make_agency("ROOT")
        for n in range(5):
            make_agency(f"C{n}", upline=root)

        with CaptureQueriesContext(connection) as queries:
            reached_by(root.pk, now=NOON)
        assert len(queries) == 1


@pytest.mark.django_db
class TestOutOfReach:
    def test_tells_grants_of_those_who_reach_no_more(self):
        root, other = make_agency("ROOT"), make_agency("OTHER")
        middle = make_agency("MIDDLE", upline=root)
        gone, stays = (make_agency(code, upline=middle) for code in ("GONE", "STAYS"))
        move(gone, other, date(2026, 3, 10))
        grants = [
            (owner, agency.pk)
            for agency in (gone, stays, root)
            for owner in (root.pk, middle.pk, other.pk, agency.pk, None)
        ]

        with CaptureQueriesContext(connection) as queries:
            lapsed = out_of_reach(grants, now=NOON)

        assert lapsed == {
            (root.pk, gone.pk), (middle.pk, gone.pk), (other.pk, stays.pk),
            (middle.pk, root.pk), (other.pk, root.pk),
        }  # fmt: skip
        assert len(queries) <= 3

    def test_asks_nothing_for_what_agencies_made_for_themselves(
        self, django_assert_num_queries
    ):
        with django_assert_num_queries(0):
            assert out_of_reach([(1, 1), (None, 2), (None, None)], now=NOON) == set()


@pytest.mark.usefixtures("fresh_database")
class TestMoves:
    def test_crosswise_moves_of_several_agencies_wait_for_each_other(
        self, run_in_threads
    ):
        roots = [make_agency(f"ROOT{n}") for n in range(2)]
        agencies = [make_agency(f"A{n}", upline=roots[0]) for n in range(6)]

        def move_all(order, upline):
            def work():
                with transaction.atomic():
                    for agency in order:
                        move(agency, upline, date(2026, 3, 20))

            return work

        for _ in range(3):
            results = run_in_threads(
                move_all(agencies, roots[0]), move_all(agencies[::-1], roots[1]),
                move_all(agencies, roots[1]), move_all(agencies[::-1], roots[0]),
            )  # fmt: skip
            assert results == [None] * 4

        uplines = set(
            Upline.objects.filter(ends_on=None).values_list("upline", flat=True)
        )
        assert len(uplines) == 1
