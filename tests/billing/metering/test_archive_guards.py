"""Archiving with errors, crashes and concurrent writers."""

from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.db import (
    IntegrityError,
    connection,
    connections,
    transaction,
)
from pyarrow import csv

from billing.invoicing.verification.services import verify_books
from billing.metering.domain import parquet
from billing.metering.domain.parquet import ArchiveDiffers
from billing.metering.models import ArchivedMonth, UsageEvent
from billing.metering.queries.event_store import path_of
from billing.metering.services.archiving import (
    AlreadyArchived,
    ArchivingElsewhere,
    SumsDiffer,
    TableInUse,
    archive_due,
)
from billing.metering.services.partitions import attached_months
from billing.pricing.models import Meter
from seats.models import Agency, CutoffCounter
from tests.billing.metering.archives import LATER, archive, in_order, play
from tests.build import (
    APRIL_2,
    MARCH,
    bill,
    call,
    make_agency,
    statuses,
    use,
)


@pytest.mark.usefixtures("played")
class TestAWrongFile:
    def test_stops_the_detaching_when_a_quantity_differs(self, at_step):
        def alter(path):
            table = pq.read_table(path, schema=parquet.SCHEMA)
            raw = table["raw"].to_pylist()
            raw[3] += 1
            column = pa.array(raw, parquet.SCHEMA.field("raw").type)
            index = parquet.SCHEMA.get_field_index("raw")
            pq.write_table(
                table.set_column(index, parquet.SCHEMA.field("raw"), column), path
            )

        at_step("written", alter)

        with pytest.raises(SumsDiffer, match="the table"):
            archive()

        assert MARCH in attached_months()
        assert not ArchivedMonth.objects.exists()

    def test_stops_it_when_the_file_is_cut_off(self, at_step):
        at_step("written", lambda path: path.write_bytes(path.read_bytes()[:-99]))

        with pytest.raises(ArchiveDiffers):
            archive()

        assert MARCH in attached_months()

    def test_and_usage_days_that_say_otherwise_stop_it(self):
        agency = Agency.objects.get(code="SUNRISE")
        cutoff = CutoffCounter.objects.get(agency=agency).cutoff
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO billing_usageday (agency_id, used_on, meter_id, breakdown,"
                " cutoff, events, raw, billable) VALUES (%s, '2026-03-02', %s, '', %s,"
                " 1, 60, 60)",
                [agency.pk, Meter.objects.get(code="voice.out").pk, cutoff],
            )
        bill(date(2026, 5, 1))

        with pytest.raises(SumsDiffer, match="the usage days"):
            archive()

    def test_the_database_itself_counts_the_rows_again(self):
        def claim(rows):
            with transaction.atomic():
                ArchivedMonth.objects.create(
                    month=MARCH, file_name="x", rows=rows, file_size=1, file_hash="x",
                    sums_hash="x", archived_at=LATER, detached_at=LATER, actor="test",
                )  # fmt: skip
                connection.cursor().execute(
                    "SELECT detach_usage_partition('2026-03-01', 50)"
                )

        with pytest.raises(IntegrityError, match="has 81 rows, the table 82"):
            claim(81)
        with (
            pytest.raises(IntegrityError, match="has no rows"),
            transaction.atomic(),
        ):
            connection.cursor().execute(
                "SELECT detach_usage_partition('2026-03-01', 50)"
            )
        use(call(), now=APRIL_2)
        with pytest.raises(IntegrityError, match="is not billed yet"):
            claim(83)
        assert MARCH in attached_months()


@pytest.mark.usefixtures("fresh_database", "archive_root")
class TestDyingAndRunningAgain:
    @pytest.mark.parametrize(
        "step", ["written", "checked", "recorded", "detached", "archived"]
    )
    def test_at_any_step_is_harmless(self, step, at_step, archive_root):
        play()
        before = in_order()
        lives = iter([False])

        def die(path):
            if next(lives, True) is False:
                raise ZeroDivisionError

        at_step(step, die)
        with pytest.raises(ZeroDivisionError):
            archive()
        assert in_order() == before

        archive_due(actor="test", now=LATER)

        assert ArchivedMonth.objects.count() == 2
        assert len(list(archive_root.iterdir())) == 2
        assert in_order() == before
        assert verify_books().findings == []

    def test_a_row_without_the_detaching_is_refused_at_the_commit(self):
        play()

        with pytest.raises(IntegrityError, match="left the table"):
            ArchivedMonth.objects.create(
                month=MARCH, file_name="x", rows=82, file_size=1, file_hash="x",
                sums_hash="x", archived_at=LATER, detached_at=LATER, actor="test",
            )  # fmt: skip


@pytest.mark.usefixtures("fresh_database", "archive_root")
class TestOthers:
    def test_who_archive_at_once_are_told_so(self, run_in_threads):
        play()

        results = run_in_threads(archive, archive, archive)

        records = [result for result in results if isinstance(result, ArchivedMonth)]
        kinds = {
            type(result) for result in results if not isinstance(result, ArchivedMonth)
        }
        assert len(records) == 1
        assert kinds <= {ArchivingElsewhere, AlreadyArchived}
        assert verify_books().findings == []

    @pytest.mark.parametrize(
        "at", ["FROM seats_cutoffcounter", "create_usage_partition"]
    )
    def test_who_write_while_a_month_leaves_are_refused(
        self, at, run_in_threads, monkeypatch
    ):
        """The month is archived after the events were checked and before they are written."""
        play()
        monkeypatch.setattr("billing.metering.services.partitions._created_months", {})
        make_agency("NEW", now=LATER)

        def leave(execute, sql, params, many, context):
            if at in sql and not ArchivedMonth.objects.exists():
                (record,) = run_in_threads(archive)
                assert record.rows == 82
            return execute(sql, params, many, context)

        with connection.execute_wrapper(leave):
            results = use(call("NEW"), call("NEW", occurred_at=LATER), now=LATER)

        assert statuses(results) == ["too_old", "accepted"]
        assert ArchivedMonth.objects.exists()
        assert verify_books().findings == []

    def test_who_hold_the_table_are_not_waited_for_for_long(self):
        play()
        with (
            closing(connections.create_connection("default")) as other,
            other.cursor() as cursor,
        ):
            cursor.execute("BEGIN")
            cursor.execute("SELECT count(*) FROM billing_usageevent")

            with pytest.raises(TableInUse):
                archive()

            assert MARCH in attached_months()
            cursor.execute("COMMIT")
        assert archive().rows == 82

    @pytest.mark.parametrize("dropped", [False, True])
    def test_may_bring_a_month_back_by_attaching_it(
        self, dropped, owner_cursor, tmp_path
    ):
        play()
        before = in_order()
        path = path_of(archive())
        if dropped:
            make_again(owner_cursor, path, tmp_path / "events.csv")

        owner_cursor.execute(
            "ALTER TABLE billing_usageevent ATTACH PARTITION billing_usageevent_2026_03"
            " FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
        )

        assert UsageEvent.objects.count() == len(before)
        assert in_order() == before
        assert verify_books().findings == []


def make_again(owner_cursor, path: Path, target: Path) -> None:
    """Restore the table of a month from its file, as in docs/operations.md."""
    csv.write_csv(pq.read_table(path), target)
    table = "billing_usageevent_2026_03"
    owner_cursor.execute(f"DROP TABLE {table}")
    owner_cursor.execute(
        f"CREATE TABLE {table} (LIKE billing_usageevent INCLUDING ALL)"
    )
    statement = f"COPY {table} FROM STDIN (FORMAT csv, HEADER)"
    with owner_cursor.copy(statement) as copy:
        copy.write(target.read_bytes())
