"""The partitions of usage events, created ahead or on demand."""

from contextlib import closing
from datetime import UTC, date, datetime

import pytest
from django.db import connection, connections, transaction

from billing.metering.models import UsageEvent
from billing.metering.services.partitions import (
    attached_months,
    ensure_partitions,
    ensure_partitions_ahead,
    partition_name,
)
from billing.metering.tasks import create_partitions
from tests.build import call, make_agency, make_prices, statuses, use


def months_from(year: int, month: int, count: int) -> list[date]:
    ahead = range(month - 1, month - 1 + count)
    return [date(year + n // 12, n % 12 + 1, 1) for n in ahead]


@pytest.mark.django_db
class TestEnsurePartitionsAhead:
    @pytest.mark.parametrize(
        "today", [date(2031, 1, 31), date(2031, 11, 30), date(2031, 12, 31)]
    )
    def test_makes_this_month_and_the_next_three_also_over_a_years_end(self, today):
        ensure_partitions_ahead(today=today)

        made = [month for month in attached_months() if month.year > 2030]
        assert made == months_from(today.year, today.month, 4)

    def test_changes_nothing_when_repeated(self):
        ensure_partitions_ahead(today=date(2031, 5, 1))
        before = attached_months()

        ensure_partitions_ahead(today=date(2031, 5, 1))

        assert attached_months() == before

    def test_is_what_the_sweep_does_today(self, time_machine):
        time_machine.move_to(datetime(2032, 12, 31, 23, 59, tzinfo=UTC))

        create_partitions()

        assert attached_months()[-4:] == months_from(2032, 12, 4)


@pytest.mark.django_db
class TestIngest:
    def test_makes_the_months_it_needs_when_no_sweep_ran(self):
        make_prices()
        make_agency()
        at = [
            datetime(2033, 1, 1, 4, 59, tzinfo=UTC),  # 23:59 of 31 December there
            datetime(2033, 1, 1, 5, tzinfo=UTC),
            datetime(2033, 2, 28, 12, tzinfo=UTC),
        ]

        results = use(
            *[call(occurred_at=instant) for instant in at],
            now=datetime(2033, 3, 1, tzinfo=UTC),
        )

        assert statuses(results) == ["accepted"] * 3
        assert attached_months()[-3:] == months_from(2032, 12, 3)
        days = UsageEvent.objects.order_by("used_on").values_list("used_on", flat=True)
        assert list(days) == [date(2032, 12, 31), date(2033, 1, 1), date(2033, 2, 28)]


@pytest.mark.django_db
class TestAPartition:
    def test_takes_the_last_day_of_its_month_and_not_the_next(self):
        ensure_partitions([date(2031, 12, 31)])

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s",
                [partition_name(date(2031, 12, 1))],
            )
            (bounds,) = cursor.fetchone()

        assert bounds == "FOR VALUES FROM ('2031-12-01') TO ('2032-01-01')"

    def test_has_the_keys_and_indexes_of_the_table_and_gives_us_no_way_around(self):
        ensure_partitions([date(2031, 12, 31)])

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), count(inhparent) FROM pg_index"
                " LEFT JOIN pg_inherits ON inhrelid = indexrelid"
                " WHERE indrelid = %s::regclass",
                [partition_name(date(2031, 12, 1))],
            )
            indexes, inherited = cursor.fetchone()
            cursor.execute(
                "SELECT has_table_privilege(%s, 'SELECT, INSERT, UPDATE, DELETE')",
                [partition_name(date(2031, 12, 1))],
            )
            (may,) = cursor.fetchone()

        assert (indexes, inherited, may) == (3, 3, False)


@pytest.mark.usefixtures("fresh_database")
class TestMakingOne:
    def test_waits_for_nobody_who_writes_or_reads(self):
        make_prices()
        make_agency()
        use(call())
        with (
            closing(connections.create_connection("default")) as other,
            transaction.atomic(),
        ):
            use(call())  # holds the table until it commits
            with other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
                cursor.execute("SELECT create_usage_partition('2026-03-01')")
                cursor.execute("SELECT create_usage_partition('2031-12-01')")

        assert attached_months()[-1] == date(2031, 12, 1)
