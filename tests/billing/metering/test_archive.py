"""Archiving months of events to files."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from django.db import (
    DatabaseError,
    connection,
    transaction,
)

from billing.accounts.services import set_payer_shares
from billing.invoicing.models.documents import Document
from billing.invoicing.services.previews import preview_documents
from billing.invoicing.verification.services import verify_books
from billing.metering.domain import parquet
from billing.metering.domain.parquet import read_events
from billing.metering.models import UsageEvent
from billing.metering.services.archiving import (
    AlreadyArchived,
    MonthNotArchivable,
    archive_month,
    months_to_archive,
)
from billing.metering.services.partitions import attached_months, ensure_partitions
from billing.webhooks.models import OutboxEvent
from seats.models import Agency
from tests.billing.metering.archives import LATER, archive, in_order, take_back
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
        taken_back = UsageEvent.objects.filter(used_on__month=3)[0]
        take_back(taken_back)
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
        monkeypatch.setattr("billing.metering.queries.event_store.ROWS_A_GROUP", 40)
        row_counts: list[int] = []

        archive_month(month=MARCH, actor="test", now=LATER, on_rows=row_counts.append)

        assert row_counts == [40, 80, 82]


@pytest.mark.usefixtures("played")
class TestAMonthStays:
    @pytest.mark.parametrize(
        ("month", "now", "reason"),
        [
            (date(2020, 1, 1), LATER, "has no events in the database"),
            (MARCH, datetime(2026, 7, 1, 11, tzinfo=UTC), "is too recent"),
            (
                MARCH,
                datetime(2026, 6, 30, 12, tzinfo=UTC),
                "Only months before 2026-03 can be archived",
            ),
        ],
    )
    def test_that_is_not_there_or_too_young(self, month, now, reason):
        with pytest.raises(MonthNotArchivable, match=reason):
            archive(month, now)

    def test_while_a_late_fact_may_come_however_few_months_are_kept(self, settings):
        settings.BILLING = {**settings.BILLING, "EVENTS_KEPT_MONTHS": 0}
        last_chance = datetime(2026, 6, 29, 23, tzinfo=UTC)
        late = call(occurred_at=datetime(2026, 3, 31, 20, tzinfo=UTC))
        with pytest.raises(MonthNotArchivable, match="is too recent"):
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
