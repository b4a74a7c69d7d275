"""Imports of files: by command, by upload, interrupted, and in parallel."""

import csv
import io
from datetime import UTC, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from billing.invoicing.verification.services import verify_books
from billing.metering.domain.formats.rows import buffered
from billing.metering.models import (
    ImportPart,
    RejectedRow,
    UsageDay,
    UsageEvent,
    UsageImport,
)
from billing.metering.services import imports
from billing.metering.services.imports import (
    FileTooLarge,
    delete_old_rejected_rows,
    import_rows,
    resume_next_import,
    start_import,
    upload_file,
)
from seats.agencies.services import set_upline
from seats.models import User
from tests.build import MARCH, MARCH_1, make_agency, make_prices, make_seats

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
HEAD = "id,meter,quantity,occurred_at,agent\n"


def content(calls: int, *, rejected: int = 0) -> bytes:
    rows = [f"c{n},voice.out,{n},2026-03-10T12:00:00,ana" for n in range(calls)]
    rows += [f'"=c{n}",nope,1,2026-03-10T12:00:00,' for n in range(rejected)]
    return (HEAD + "\n".join(rows)).encode()


def upload(agency, body, **changes):
    options: dict[str, Any] = {
        "file_name": "march.csv", "actor": "staff", "now": NOW, **changes
    }  # fmt: skip
    return upload_file(buffered(BytesIO(body)), agency=agency, **options)


def finish_all_imports(now=NOW):
    turns = 0
    while resume_next_import(now=now):
        turns += 1
    return turns


def counts(record):
    record.refresh_from_db()
    return record.state, record.rows, record.accepted, record.duplicate, record.rejected


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    return agency


@pytest.fixture
def small_chunks(monkeypatch):
    """Make a few rows take several commits and turns."""
    monkeypatch.setattr(imports, "CHUNK", 10)
    monkeypatch.setattr(imports, "CHUNKS_A_TURN", 2)


@pytest.mark.usefixtures("small_chunks")
class TestUploads:
    def test_of_several_agencies_take_turns(self, sunrise):
        other = make_agency("OTHER")
        make_seats(other, "ana")
        files = [upload(sunrise, content(45)) for _ in range(2)]
        last = upload(other, content(5))

        assert resume_next_import(now=NOW) == resume_next_import(now=NOW) == 1

        assert counts(last)[0] == "done"
        assert [counts(record)[:2] for record in files] == [
            ("waiting", 20),
            ("waiting", 0),
        ]

    def test_are_taken_in_turn_by_turn_and_their_parts_dropped(self, sunrise):
        record = upload(sunrise, content(45, rejected=3))
        assert record.parts.count() == 1

        turns = finish_all_imports()

        assert turns == 3
        assert counts(record) == ("done", 48, 45, 0, 3)
        assert not ImportPart.objects.exists()
        assert sum(UsageDay.objects.values_list("events", flat=True)) == 45

    def test_may_be_larger_than_a_part(self, sunrise, monkeypatch):
        monkeypatch.setattr(imports, "PART_BYTES", 100)

        record = upload(sunrise, content(30))
        finish_all_imports()

        assert counts(record) == ("done", 30, 30, 0, 0)

    def test_change_nothing_the_second_time(self, sunrise):
        first, second = upload(sunrise, content(15)), upload(sunrise, content(15))

        finish_all_imports()

        assert counts(first) == ("done", 15, 15, 0, 0)
        assert counts(second) == ("done", 15, 0, 15, 0)
        assert first.file_hash == second.file_hash

    def test_go_on_after_the_rows_that_a_lost_worker_counted(self, sunrise):
        record = upload(sunrise, content(35))
        resume_next_import(now=NOW)
        UsageImport.objects.update(state="running", leased_until=NOW - timedelta(1))

        finish_all_imports()

        assert counts(record) == ("done", 35, 35, 0, 0)

    def test_leave_a_file_alone_that_somebody_reads(self, sunrise):
        record = upload(sunrise, content(5))
        UsageImport.objects.update(
            state="running", leased_until=datetime.now(UTC) + timedelta(minutes=1)
        )

        assert resume_next_import(now=NOW) == 0
        assert counts(record)[0] == "running"

    def test_give_up_a_file_that_kills_its_workers(self, sunrise):
        record = upload(sunrise, content(5))
        UsageImport.objects.update(
            state="running", attempts=5, leased_until=NOW - timedelta(1)
        )

        assert resume_next_import(now=NOW) == 0
        assert counts(record)[0] == "failed"
        assert "interrupted" in record.last_error

    def test_say_what_is_wrong_with_a_file_as_a_whole(self, sunrise):
        record = upload(sunrise, b"id,meter\n", feed="csv")

        finish_all_imports()

        assert counts(record)[0] == "failed"
        assert record.last_error.startswith("column_missing")

    def test_refuse_what_is_too_large(self, sunrise, settings):
        settings.BILLING = {**settings.BILLING, "LARGEST_UPLOAD": 100}

        with pytest.raises(FileTooLarge):
            upload(sunrise, content(50))

    def test_note_a_command_that_was_cut_off(self, sunrise):
        file = buffered(BytesIO(content(25)))
        options: dict[str, Any] = {"file_name": "x.csv", "actor": "staff", "now": NOW}
        record = start_import(file, agency=sunrise, **options)
        next(import_rows(record, file, now=NOW))
        UsageImport.objects.update(leased_until=NOW - timedelta(1))

        resume_next_import(now=NOW)

        assert counts(record) == ("failed", 10, 10, 0, 0)


class TestRejectedRows:
    def test_are_forgotten_after_the_days_they_are_kept(self, sunrise):
        upload(sunrise, content(1, rejected=2))
        finish_all_imports()

        assert delete_old_rejected_rows(now=NOW + timedelta(days=29)) == 0
        assert delete_old_rejected_rows(now=NOW + timedelta(days=31)) == 2
        assert not RejectedRow.objects.exists()


class TestAdmin:
    @pytest.fixture
    def staff(self, client):
        client.force_login(User.objects.create_superuser("staff@example.com", "x"))
        return client

    def test_takes_a_file_and_gives_its_rejected_rows_back(self, sunrise, staff):
        add = reverse("admin:billing_usageimport_add")
        file = SimpleUploadedFile("march.csv", content(2, rejected=1))

        page = staff.post(add, {"agency": sunrise.pk, "file": file}, follow=True)
        finish_all_imports(now=timezone.now())

        record = UsageImport.objects.get()
        assert page.status_code == 200
        assert record.actor == "staff@example.com"
        assert counts(record) == ("done", 3, 2, 0, 1)
        shown = staff.get(reverse("admin:billing_usageimport_change", args=[record.pk]))
        assert "unknown_meter" in shown.content.decode()
        url = reverse("admin:billing_usageimport_rejected", args=[record.pk])
        text = b"".join(staff.get(url).streaming_content).decode()
        (row,) = list(csv.reader(io.StringIO(text)))[1:]
        assert row[:3] == ["4", "unknown_meter", "meter"]
        assert row[4] == "'=c0"  # no spreadsheet runs it

    def test_says_that_it_does_not_know_the_format(self, sunrise, staff):
        add = reverse("admin:billing_usageimport_add")
        file = SimpleUploadedFile("march.csv", b"hello\n")

        page = staff.post(add, {"agency": sunrise.pk, "file": file})

        assert (
            "The format of the file was not recognized. Choose one of asterisk, "
            in page.content.decode()
        )
        assert not UsageImport.objects.exists()

    def test_is_for_staff_only(self, sunrise, client):
        record = upload(sunrise, content(1))
        url = reverse("admin:billing_usageimport_rejected", args=[record.pk])

        assert client.get(url).status_code == 302


class TestReach:
    """Rows of an import may name its agency, or one in its downline today."""

    ROWS = (
        "id,meter,quantity,occurred_at,agency,supersedes\n"
        "a,voice.out,60,2026-03-10T12:00:00,SUNRISE,\n"
        "b,voice.out,60,2026-03-10T12:00:00,BELOW,\n"
        "c,voice.out,60,2026-03-10T12:00:00,TOP,\n"
        "d,voice.out,60,2026-03-10T12:00:00,LEFT,\n"
        "e,voice.out,60,2026-03-10T12:00:00,NOBODY,\n"
    )

    @pytest.fixture
    def tree(self, sunrise):
        top, below, left = (make_agency(code) for code in ("TOP", "BELOW", "LEFT"))
        options: dict[str, Any] = {"now": MARCH_1, "actor": "test"}
        set_upline(agency=sunrise, upline=top, on=MARCH, **options)
        set_upline(agency=below, upline=sunrise, on=MARCH, **options)
        set_upline(agency=left, upline=sunrise, on=MARCH, **options)
        set_upline(agency=left, upline=None, on=NOW.date(), now=NOW, actor="test")
        return sunrise

    def test_of_a_command_is_its_agency_and_the_downline(self, tree, tmp_path):
        path = tmp_path / "march.csv"
        path.write_text(self.ROWS)

        with time_machine.travel(NOW, tick=False), pytest.raises(SystemExit):
            call_command("import_usage", str(path), agency="SUNRISE", stderr=StringIO())

        self.check()

    def test_of_an_upload_likewise(self, tree):
        upload(tree, self.ROWS.encode())
        finish_all_imports()

        self.check()

    def check(self):
        used = UsageEvent.objects.values_list("agency__code", flat=True)
        rejected = RejectedRow.objects.order_by("row").values_list(
            "row", "code", "message"
        )
        assert sorted(used) == ["BELOW", "SUNRISE"]
        assert list(rejected) == [
            (row, "unknown_agency", f"There is no agency '{code}'.")
            for row, code in ((4, "TOP"), (5, "LEFT"), (6, "NOBODY"))
        ]


@pytest.mark.usefixtures("fresh_database")
class TestAtOnce:
    def test_two_imports_of_one_file_count_every_row_once(
        self, run_in_threads, settings
    ):
        settings.BILLING = {**settings.BILLING, "IMPORTS_AT_ONCE": 2}
        make_prices()
        agency = make_agency()
        make_seats(agency, "ana")
        records = [upload(agency, content(400)) for _ in range(2)]

        results = run_in_threads(*[lambda: resume_next_import(now=NOW)] * 2)

        assert results == [1, 1]
        outcomes = [counts(record) for record in records]
        assert [state for state, *_ in outcomes] == ["done", "done"]
        assert sum(accepted for _, _, accepted, _, _ in outcomes) == 400
        assert sum(duplicate for *_, duplicate, _ in outcomes) == 400
        assert sum(UsageDay.objects.values_list("events", flat=True)) == 400
        assert verify_books().findings == []

    def test_a_file_of_one_agency_is_read_while_another_is_worked_on(
        self, run_in_threads
    ):
        """One agency has one file read at a time, so there is a worker for the others."""
        make_prices()
        many, other = make_agency("MANY"), make_agency("OTHER")
        for agency in (many, other):
            make_seats(agency, "ana")
        files = [upload(many, content(400)) for _ in range(3)]
        late = upload(other, content(5))

        results = run_in_threads(*[lambda: resume_next_import(now=NOW)] * 3)

        assert sorted(results) == [0, 1, 1]
        assert counts(late)[0] == "done"
        assert [counts(record)[0] for record in files] == ["done", "waiting", "waiting"]

    def test_two_workers_never_count_the_rows_of_one_file_twice(
        self, run_in_threads, small_chunks
    ):
        make_prices()
        agency = make_agency()
        make_seats(agency, "ana")
        record = upload(agency, content(100))

        def work():
            while resume_next_import(now=NOW):
                pass

        run_in_threads(*[work] * 4)
        finish_all_imports()

        assert counts(record) == ("done", 100, 100, 0, 0)
