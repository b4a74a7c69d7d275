"""Months that leave the database for files, and reading them as before."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import (
    DatabaseError,
    IntegrityError,
    connection,
    connections,
    transaction,
)

from billing.accounts.services import set_payer_shares
from billing.invoicing.models import Document
from billing.invoicing.services.previews import preview_documents
from billing.invoicing.verification.services import verify_books
from billing.metering import parquet
from billing.metering.archiving import (
    AlreadyArchived,
    ArchivingElsewhere,
    MonthNotArchivable,
    SumsDiffer,
    TableInUse,
    archive_due,
    archive_month,
    months_to_archive,
)
from billing.metering.events import EventRow
from billing.metering.models import ArchivedMonth, UsageEvent
from billing.metering.parquet import ArchiveDiffers, ArchiveMissing, Wanted, read_events
from billing.metering.partitions import attached_months, ensure_partitions
from billing.metering.queries import events_behind, events_of, path_of
from billing.metering.signals import archive_step
from billing.metering.tasks import archive_old_months
from billing.pricing.models import Meter
from billing.webhooks.models import OutboxEvent
from seats.models import Agency, Books
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    call,
    make_agency,
    make_prices,
    make_seats,
    statuses,
    use,
)

LATER = datetime(2026, 9, 10, 12, tzinfo=UTC)
MARCH_31 = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def archive_root(settings, tmp_path) -> Path:
    """A folder of the test's own; three months are kept."""
    root: Path = tmp_path / "archive"
    settings.BILLING = {
        **settings.BILLING,
        "ARCHIVE_ROOT": root,
        "EVENTS_KEPT_MONTHS": 3,
        "REVIEW_WINDOW": None,
        "ARCHIVE_LOCK_WAIT": timedelta(milliseconds=50),
    }
    return root


def play() -> None:
    """Two agencies, March and April billed, with late facts and odd properties."""
    make_prices()
    for code in ("SUNRISE", "PACIFIC"):
        make_seats(make_agency(code, zone="America/New_York"), "ana")
        use(
            *[
                call(
                    code,
                    agent=["ana", None][n % 2],
                    meter=["voice.out", "sms.segment"][n % 3 == 0],
                    quantity=Decimal(n) + Decimal("0.000001") * (n % 2),
                    occurred_at=MARCH_31 - timedelta(hours=7 * n),
                    properties={
                        "dial_mode": "power", "note": 'Ünï "\\', "score": 0.1,
                        "deep": {"list": [1, None, True]},
                    },
                )
                for n in range(40)
            ]
        )  # fmt: skip
    bill(MARCH)
    use(call(quantity=Decimal(61)), call("PACIFIC"), now=APRIL_2)  # late, for March
    use(call(occurred_at=APRIL_2), now=APRIL_2)
    bill(APRIL)


@pytest.fixture
def played(db: None) -> None:
    play()


def in_order() -> list[EventRow]:
    return sorted(events_of(), key=lambda row: row.id)


def archive(month: date = MARCH, now: datetime = LATER) -> ArchivedMonth:
    return archive_month(month=month, actor="test", now=now)


def when(step: str, work: Any) -> Iterator[None]:
    """Do something at a step of an archiving."""

    def hear(*, step: str, path: Path, wanted: str = step, **_: Any) -> None:
        if step == wanted:
            work(path)

    archive_step.connect(hear)
    yield
    archive_step.disconnect(hear)


@pytest.fixture
def at_step():
    """Do something at a step of the archivings of this test."""
    running = []

    def begin(step, work):
        running.append(when(step, work))
        next(running[-1])

    yield begin
    for one in running:
        next(one, None)


@pytest.mark.usefixtures("played")
class TestArchiveMonth:
    def test_leaves_everything_that_is_read_as_it_was(self):
        before = in_order()
        assert len(before) == 83
        documents = list(Document.objects.order_by("pk").values())
        agency = Agency.objects.get(code="SUNRISE")
        owed = preview_documents(payer=agency, month=date(2026, 5, 1), now=LATER)

        archive()

        assert UsageEvent.objects.count() == 1  # of April
        assert in_order() == before
        assert all(row.occurred_at.utcoffset() == timedelta(0) for row in in_order())
        assert list(Document.objects.order_by("pk").values()) == documents
        again = preview_documents(payer=agency, month=date(2026, 5, 1), now=LATER)
        assert again == owed
        assert verify_books().findings == []

    def test_records_what_the_file_is_and_announces_it(self, archive_root):
        record = archive()

        (file,) = archive_root.iterdir()
        assert file.name == record.file_name
        assert file.stat().st_size == record.file_size
        assert file.stat().st_mode & 0o777 == 0o600
        assert (record.rows, record.actor, record.archived_at) == (82, "test", LATER)
        assert record.file_hash == parquet.file_hash(file)
        event = OutboxEvent.objects.get(type="usage_month.archived")
        assert event.payload["file_hash"] == record.file_hash
        assert event.stream.agency is None

    def test_writes_exact_types_sorted_by_agency_meter_and_time(self, archive_root):
        archive()

        (path,) = archive_root.iterdir()
        with pq.ParquetFile(path) as file:
            kinds = {field.name: str(field.type) for field in file.schema_arrow}
            column = file.metadata.row_group(0).column(0)
        assert len(kinds) == 17
        assert kinds["raw"] == kinds["billable"] == "decimal128(20, 6)"
        assert kinds["occurred_at"] == "timestamp[us, tz=UTC]"
        assert kinds["properties"] == "string"
        assert column.compression == "ZSTD"
        keys = [
            (row.agency_id, row.meter_id, row.occurred_at, row.id)
            for row in read_events(path)
        ]
        assert keys == sorted(keys)

    def test_detaches_the_partition_and_keeps_it_for_the_owner(self):
        archive()

        assert MARCH not in attached_months()
        with connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('billing_usageevent_2026_03')")
            assert cursor.fetchone()[0]
            with pytest.raises(DatabaseError, match="denied"), transaction.atomic():
                cursor.execute("SELECT FROM billing_usageevent_2026_03")

    def test_keeps_what_takes_an_event_back(self):
        taken_back = take_back(UsageEvent.objects.filter(used_on__month=3).first())
        bill(date(2026, 5, 1))
        before = in_order()

        record = archive()

        assert record.rows == 83
        (row,) = [row for row in in_order() if row.reverses is not None]
        assert (row.reverses, row.raw) == (taken_back.id, -taken_back.raw)
        assert in_order() == before

    def test_archives_a_month_without_events(self):
        ensure_partitions([date(2026, 2, 1)])
        before = in_order()

        record = archive(date(2026, 2, 1))

        assert record.rows == 0
        assert in_order() == before

    def test_says_that_it_is_done_already(self):
        archive()

        with pytest.raises(AlreadyArchived):
            archive()

    def test_tells_how_many_rows_are_written(self, monkeypatch):
        monkeypatch.setattr("billing.metering.queries.ROWS_A_GROUP", 40)
        told: list[int] = []

        archive_month(month=MARCH, actor="test", now=LATER, on_rows=told.append)

        assert told == [40, 80, 82]


def take_back(event: UsageEvent) -> UsageEvent:
    """The rows that a correction writes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO billing_usageevent
            SELECT nextval('billing_usageevent_id_seq'), used_on, event.agency_id,
                   agent_id, meter_id, breakdown, owner, source, external_id,
                   occurred_at, received_at, -raw, -billable, properties,
                   books.cutoff, NULL, event.id
            FROM billing_usageevent AS event JOIN seats_books AS books USING (agency_id)
            WHERE event.id = %s
            """,
            [event.id],
        )
        cursor.execute(
            """
            INSERT INTO billing_usageday (agency_id, used_on, meter_id, agent_id,
                                          breakdown, cutoff, events, raw, billable)
            SELECT agency_id, used_on, meter_id, agent_id, breakdown, cutoff,
                   -1, raw, billable
            FROM billing_usageevent WHERE reverses = %s
            """,
            [event.id],
        )
    return event


@pytest.mark.usefixtures("played")
class TestAMonthStays:
    @pytest.mark.parametrize(
        ("month", "now", "reason"),
        [
            (date(2020, 1, 1), LATER, "no events here"),
            (MARCH, datetime(2026, 7, 1, 11, tzinfo=UTC), "is kept"),
            (MARCH, datetime(2026, 6, 30, 12, tzinfo=UTC), "before 2026-03 may leave"),
        ],
    )
    def test_that_is_not_there_or_too_young(self, month, now, reason):
        with pytest.raises(MonthNotArchivable, match=reason):
            archive(month, now)

    def test_while_a_late_fact_may_come_however_few_months_are_kept(self, settings):
        settings.BILLING = {**settings.BILLING, "EVENTS_KEPT_MONTHS": 0}
        last_chance = datetime(2026, 6, 29, 23, tzinfo=UTC)
        late = call(occurred_at=datetime(2026, 3, 31, 20, tzinfo=UTC))
        with pytest.raises(MonthNotArchivable, match="is kept"):
            archive(MARCH, last_chance)

        assert statuses(use(late, now=last_chance)) == ["accepted"]
        assert months_to_archive(now=last_chance) == []

    def test_until_nobody_can_be_late_for_it_any_more(self, settings):
        settings.BILLING = {**settings.BILLING, "EVENTS_KEPT_MONTHS": 0}
        days = [datetime(2026, 6, 25, tzinfo=UTC) + timedelta(days=n) for n in range(9)]
        first = min(day for day in days if months_to_archive(now=day))

        late = call(occurred_at=datetime(2026, 3, 31, 23, 59, tzinfo=UTC))
        for now in (first, first + timedelta(hours=30)):
            assert statuses(use(late, now=now)) == ["too_old"]

    def test_that_is_not_billed_in_full_for_an_agency(self):
        use(call("PACIFIC"), now=APRIL_2)

        with pytest.raises(MonthNotArchivable, match="in full for PACIFIC"):
            archive()

        bill(date(2026, 5, 1))
        assert archive().rows == 83

    def test_that_is_not_billed_to_a_new_payer_yet(self):
        agency, payer = Agency.objects.get(code="SUNRISE"), make_agency("PAYER")
        set_payer_shares(
            agency=agency, shares={payer: Decimal(100)}, starts_on=date(2026, 5, 1),
            actor="test", now=APRIL_2,
        )  # fmt: skip
        with pytest.raises(MonthNotArchivable, match="SUNRISE"):
            archive()

        bill(date(2026, 5, 1))
        assert archive().rows == 82

    def test_that_was_never_closed(self):
        use(
            call(occurred_at=datetime(2026, 5, 9, tzinfo=UTC)),
            now=datetime(2026, 5, 9, tzinfo=UTC),
        )

        with pytest.raises(MonthNotArchivable, match="SUNRISE"):
            archive(date(2026, 5, 1))


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
        cutoff = Books.objects.get(agency=agency).cutoff
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


@pytest.mark.usefixtures("fresh_database")
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


@pytest.mark.usefixtures("fresh_database")
class TestOthers:
    def test_who_archive_at_once_are_told_so(self, run_in_threads):
        play()

        results = run_in_threads(archive, archive, archive)

        records = [one for one in results if isinstance(one, ArchivedMonth)]
        kinds = {type(one) for one in results if not isinstance(one, ArchivedMonth)}
        assert len(records) == 1
        assert kinds <= {ArchivingElsewhere, AlreadyArchived}
        assert verify_books().findings == []

    @pytest.mark.parametrize("at", ["billing_eventkey", "create_usage_partition"])
    def test_who_write_while_a_month_leaves_are_refused(
        self, at, run_in_threads, monkeypatch
    ):
        """It was there when they looked, and is not when they write."""
        play()
        monkeypatch.setattr("billing.metering.partitions._known", {})
        make_agency("NEW", now=LATER)

        def leave(execute, sql, params, many, context):
            if at in sql and not ArchivedMonth.objects.exists():
                (record,) = run_in_threads(archive)
                assert record.rows == 82
            return execute(sql, params, many, context)

        with connection.execute_wrapper(leave):
            verdicts = use(call("NEW"), call("NEW", occurred_at=LATER), now=LATER)

        assert statuses(verdicts) == ["too_old", "accepted"]
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

    def test_may_bring_a_month_back_by_attaching_it(self, owner_cursor):
        play()
        before = in_order()
        archive()

        owner_cursor.execute(
            "ALTER TABLE billing_usageevent ATTACH PARTITION billing_usageevent_2026_03"
            " FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
        )

        assert UsageEvent.objects.count() == len(before)
        assert in_order() == before
        assert verify_books().findings == []


@pytest.mark.usefixtures("played")
class TestAnArchivedMonth:
    def test_takes_no_event_not_even_of_an_agency_that_was_never_closed(self):
        known = call()
        use(known, now=APRIL_2)
        bill(date(2026, 5, 1))
        archive()
        make_agency("NEW", now=LATER)
        at = datetime(2026, 3, 9, 17, tzinfo=UTC)

        verdicts = use(call("NEW", occurred_at=at), call(), known, now=LATER)

        assert statuses(verdicts) == ["too_old", "too_old", "duplicate"]
        assert MARCH not in attached_months()

    def test_is_not_made_again(self):
        archive()

        with pytest.raises(IntegrityError, match="2026-03 is archived"):
            ensure_partitions([MARCH])


@pytest.mark.usefixtures("played")
class TestEventsBehind:
    @pytest.mark.parametrize("archived", [False, True])
    def test_gives_what_a_line_counts_in_order_of_time(self, archived):
        if archived:
            archive()
        agency = Agency.objects.get(code="SUNRISE")
        meter = Meter.objects.get(code="voice.out")

        def raws(cutoff):
            rows = events_behind(
                agency_id=agency.pk, month=MARCH, meter_id=meter.pk, cutoff=cutoff
            )
            told = [(row.occurred_at, row.raw) for row in rows]
            assert told == sorted(told)
            return [raw for _, raw in told]

        assert len(raws(1)) == 26
        assert len(raws(2)) == 27
        assert Decimal(61) not in raws(1)
        assert Decimal(61) in raws(2)

    def test_reads_only_the_row_groups_that_can_hold_the_agency(self, monkeypatch):
        monkeypatch.setattr("billing.metering.queries.ROWS_A_GROUP", 10)
        record = archive()
        pacific = Agency.objects.get(code="PACIFIC")
        groups: list[int] = []
        with pq.ParquetFile(path_of(record)) as file:
            for n in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(n)
                if parquet._can_hold(group, {"agency_id": pacific.pk}):
                    groups.append(n)

        rows = list(read_events(path_of(record), Wanted(agency_id=pacific.pk)))

        assert groups == [4, 5, 6, 7, 8]
        assert len(rows) == 41

    def test_says_when_the_file_is_missing_or_broken(self):
        record = archive()
        path = path_of(record)
        content = path.read_bytes()

        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ArchiveDiffers):
            list(events_of(month=MARCH))
        path.unlink()
        with pytest.raises(ArchiveMissing):
            list(events_of(month=MARCH))


@pytest.mark.usefixtures("played")
class TestTheSweep:
    def test_archives_what_is_old_enough_and_leaves_the_rest(self, time_machine):
        use(call("PACIFIC", occurred_at=APRIL_2), now=APRIL_2)  # never billed
        time_machine.move_to(LATER)

        archive_old_months()

        assert [record.month for record in ArchivedMonth.objects.all()] == [MARCH]
        assert APRIL in attached_months()

    def test_gives_a_reason_for_each_month_that_stays(self):
        use(call("PACIFIC", occurred_at=APRIL_2), now=APRIL_2)

        outcomes = archive_due(actor="test", now=LATER)

        codes = [one.refusal.code if one.refusal else "" for one in outcomes]
        assert [one.month for one in outcomes] == [MARCH, APRIL]
        assert codes == ["", "month_not_archivable"]


@pytest.mark.usefixtures("played")
class TestTheCommand:
    def run(self, capsys, *arguments):
        call_command("archive_usage", *arguments)
        return capsys.readouterr().out

    def test_says_what_it_did(self, capsys, time_machine):
        time_machine.move_to(LATER)

        out = self.run(capsys, "--month", "2026-03")

        record = ArchivedMonth.objects.get()
        assert f"2026-03: 82 events are in {record.file_name}" in out
        assert "DROP TABLE billing_usageevent_2026_03" in out

    def test_changes_nothing_as_a_dry_run(self, capsys, time_machine, archive_root):
        time_machine.move_to(LATER)

        out = self.run(capsys, "--dry-run")

        assert out == "2026-03 can be archived.\n2026-04 can be archived.\n"
        assert not ArchivedMonth.objects.exists()
        assert not archive_root.exists()

    def test_says_why_not(self, capsys, time_machine):
        time_machine.move_to(APRIL_2)

        with pytest.raises(CommandError, match="1 of 1 months stay"):
            self.run(capsys, "--month", "2026-03")
        assert "month_not_archivable: 2026-03 is kept" in capsys.readouterr().err

    def test_says_that_there_is_nothing_to_do(self, capsys, time_machine):
        time_machine.move_to(APRIL_2)

        assert self.run(capsys) == "No month is old enough to be archived.\n"
