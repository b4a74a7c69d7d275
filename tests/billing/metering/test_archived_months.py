"""Reading and writing events of archived months, and the command."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from django.core.management import CommandError, call_command
from django.db import (
    IntegrityError,
)

from billing.metering.domain import parquet
from billing.metering.domain.parquet import (
    ArchiveDiffers,
    ArchiveMissing,
    EventSelection,
    read_events,
)
from billing.metering.models import ArchivedMonth
from billing.metering.queries.event_store import events_of, path_of
from billing.metering.services.archiving import archive_due
from billing.metering.services.partitions import attached_months, ensure_partitions
from billing.metering.tasks import archive_old_months
from billing.pricing.models import Meter
from seats.models import Agency
from tests.billing.metering.archives import LATER, archive
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    call,
    make_agency,
    statuses,
    use,
)


@pytest.mark.usefixtures("played")
class TestAnArchivedMonth:
    def test_takes_no_event_not_even_of_an_agency_that_was_never_closed(self):
        counted = call()
        use(counted, now=APRIL_2)
        bill(date(2026, 5, 1))
        archive()
        make_agency("NEW", now=LATER)
        at = datetime(2026, 3, 9, 17, tzinfo=UTC)

        results = use(call("NEW", occurred_at=at), call(), counted, now=LATER)

        assert statuses(results) == ["too_old", "too_old", "duplicate"]
        assert MARCH not in attached_months()

    def test_is_not_made_again(self):
        archive()

        with pytest.raises(IntegrityError, match="2026-03 is archived"):
            ensure_partitions([MARCH])


@pytest.mark.usefixtures("played")
class TestEventsOf:
    @pytest.mark.parametrize("archived", [False, True])
    def test_gives_what_a_line_counts_in_order_of_time(self, archived):
        if archived:
            archive()
        agency = Agency.objects.get(code="SUNRISE")
        meter = Meter.objects.get(code="voice.out")

        def raws(cutoff):
            rows = events_of(
                agency_id=agency.pk, month=MARCH, meter_id=meter.pk, cutoff=cutoff
            )
            rows_by_time = [(row.occurred_at, row.raw) for row in rows]
            assert rows_by_time == sorted(rows_by_time)
            return [raw for _, raw in rows_by_time]

        assert len(raws(1)) == 26
        assert len(raws(2)) == 27
        assert Decimal(61) not in raws(1)
        assert Decimal(61) in raws(2)

    def test_reads_only_the_row_groups_that_may_match_the_agency(self, monkeypatch):
        monkeypatch.setattr("billing.metering.queries.event_store.ROWS_A_GROUP", 10)
        record = archive()
        pacific = Agency.objects.get(code="PACIFIC")
        groups: list[int] = []
        with pq.ParquetFile(path_of(record)) as file:
            for n in range(file.metadata.num_row_groups):
                group = file.metadata.row_group(n)
                if parquet._may_match(group, {"agency_id": pacific.pk}):
                    groups.append(n)

        rows = list(read_events(path_of(record), EventSelection(agency_id=pacific.pk)))

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

        codes = [
            outcome.refusal.code if outcome.refusal else "" for outcome in outcomes
        ]
        assert [outcome.month for outcome in outcomes] == [MARCH, APRIL]
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

        with pytest.raises(CommandError, match="1 of 1 months were not archived"):
            self.run(capsys, "--month", "2026-03")
        assert "month_not_archivable: 2026-03 is too recent" in capsys.readouterr().err

    def test_says_that_there_is_nothing_to_do(self, capsys, time_machine):
        time_machine.move_to(APRIL_2)

        assert self.run(capsys) == "No month is old enough to be archived.\n"
