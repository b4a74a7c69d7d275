"""The commands, called as on a command line."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import (
    CommandError,
    call_command,
    load_command_class,
)

from billing.invoicing.models.documents import Document
from billing.metering.models import QuarantinedEvent, UsageDay, UsageEvent
from tests.build import make_agency, make_prices, make_seats

ROOT = Path(__file__).resolve().parents[2]
CSV = """id,meter,quantity,occurred_at,agent,dial_mode
a1,voice.out,135,2026-03-10T12:00:00,ana,power
a2,voice.out,-5,2026-03-10T12:00:00,ana,
a3,nope,5,2026-03-10T12:00:00,ana,
a4,voice.out,5,2026-03-10T12:00:00,zoe,
a5,voice.out,1e400,2026-03-10T12:00:00,ana,
a6,voice.out,5,yesterday,ana,
a7,voice.out,5,2031-03-10T12:00:00,ana,
a8,voice.out,60,2026-03-08T02:30:00,ana,
"""
STOCK = (
    '"ana","ana","15550001","outbound","x","PJSIP/ana-00000001","PJSIP/t-00000002",'
    '"Dial","","2026-03-10 12:00:00","2026-03-10 12:00:09","2026-03-10 12:02:24",'
    '144,135,"ANSWERED","DOCUMENTATION"{more}\n'
)
CUSTOM = (
    '"x","15550001","ana","from-pstn","PJSIP/t-00000002","PJSIP/ana-00000001",'
    '"Dial","","2026-03-10 12:00:00","","2026-03-10 12:00:20",'
    '20,0,"NO ANSWER","DOCUMENTATION","","u9"\n'
)

# line, code, field
BAD_SCENARIOS = [
    ("[" * 50_000, "too_deep", None),
    ('{"month": "2026-13"}', "bad_month", "month"),
    ('{"month": "2026-1\N{FULLWIDTH DIGIT TWO}"}', "bad_month", "month"),
    ('{"month": "2026-04", "month": "2026-05"}', "duplicate_key", "month"),
    (('{"month": "2026-04", "price_list": {"currency": "USD",'
     ' "seat_price": "1_000"}}'), "bad_number", "price_list.seat_price"),
    ('{"month": "2026-04", "timezone": "Mars/Base"}', "unknown_zone", "timezone"),
    ('{"month": "2026-04", "extra": 1}', "bad_field", None),
    ('{"month": "2026-04"', "bad_json", None),
    (('{"month": "2026-04", "price_list": {"currency": "USD",'
     ' "seat_price": "NaN"}}'), "bad_number", "price_list.seat_price"),
    (('{"month": "2026-04", "price_list": {"currency": "USD", "seat_price": "1",'
     ' "rates": [{"meter": "m", "unit_price": "-1"}]}}'),
     "bad_number", "price_list.rates[0].unit_price"),
    (('{"month": "2026-04", "price_list": {"currency": "USD", "seat_price": "1"},'
     ' "seats": [{"agent": "A", "added_at": "2026-04-09",'
     ' "removed_at": "2026-04-01"}]}'),
     "removed_before_added", "seats[0].removed_at"),
    (('{"month": "2026-04", "price_list": {"currency": "USD", "seat_price": "1"},'
     ' "usage": [{"meter": "m", "quantity": "1"}]}'),
     "unknown_meter", "usage[0].meter"),
]  # fmt: skip


@pytest.fixture
def sunrise(db, settings):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana")
    with time_machine.travel(datetime(2026, 3, 31, 12, tzinfo=UTC), tick=False):
        yield agency


def import_file(path, kind="csv", **options):
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    try:
        call_command(
            "import_usage", str(path), format=kind, agency="SUNRISE", stdout=out,
            stderr=err, **options,
        )  # fmt: skip
    except SystemExit as left:
        code = left.code
    return code, out.getvalue(), err.getvalue()


class TestImportUsage:
    def test_takes_the_good_rows_and_names_each_bad_one(self, sunrise, tmp_path):
        path = tmp_path / "march.csv"
        path.write_text(CSV)

        code, out, err = import_file(path, rejects=tmp_path / "rejects.csv")

        assert (code, out.splitlines()) == (2, [
            "march.csv: 2 accepted, 0 duplicate, 6 rejected",
            "  200 answered seconds in the file: counted 195, rejected 5",
        ])  # fmt: skip
        codes = [line.split(": ")[:2] for line in err.splitlines()]
        assert codes == [
            ["row 3", "bad_quantity"],
            ["row 4", "unknown_meter"],
            ["row 5", "unknown_agent"],
            ["row 6", "bad_quantity"],
            ["row 7", "bad_time"],
            ["row 8", "in_future"],
        ]
        assert len((tmp_path / "rejects.csv").read_text().splitlines()) == 7
        # 02:30 does not exist on that night in New York: it is half past three
        moved = UsageEvent.objects.get(external_id="a8").occurred_at
        assert moved == datetime(2026, 3, 8, 7, 30, tzinfo=UTC)

    def test_changes_nothing_the_second_time(self, sunrise, tmp_path):
        path = tmp_path / "march.csv"
        path.write_text("".join(CSV.splitlines(keepends=True)[:2]))
        import_file(path)

        assert import_file(path)[1] == (
            "march.csv: 0 accepted, 1 duplicate, 0 rejected\n"
            "  135 answered seconds in the file: counted before 135\n"
        )
        assert UsageEvent.objects.count() == 1

    def test_keeps_the_same_id_with_another_content_for_a_look(self, sunrise, tmp_path):
        path = tmp_path / "march.csv"
        good = "".join(CSV.splitlines(keepends=True)[:2])
        path.write_text(good)
        import_file(path)
        path.write_text(good.replace("135", "136"))

        code, _, err = import_file(path)
        import_file(path)

        assert code == 2
        assert "conflict" in err
        assert QuarantinedEvent.objects.get().event["quantity"] == "136"
        assert UsageDay.objects.get().raw == 135

    def test_reads_asterisk_in_both_orders_and_without_unique_ids(
        self, sunrise, tmp_path
    ):
        path = tmp_path / "Master.csv"
        # twice the same content without an id: two calls, also the second time
        path.write_text(STOCK.format(more="") * 2 + STOCK.format(more=',"u1"') + CUSTOM)

        first, again = import_file(path, "asterisk"), import_file(path, "asterisk")

        assert first[1].splitlines() == [
            "Master.csv: 4 accepted, 0 duplicate, 0 rejected",
            "  405 answered seconds in the file: counted 405",
        ]
        assert again[1].splitlines() == [
            "Master.csv: 0 accepted, 4 duplicate, 0 rejected",
            "  405 answered seconds in the file: counted before 405",
        ]
        events = UsageEvent.objects.order_by("-raw").values_list(
            "meter__code", "agent__external_id", "raw", "billable"
        )
        calls: list[Any] = [("voice.out", "ana", 135, 180)] * 3
        assert list(events) == [*calls, ("voice.in", "ana", 0, 0)]

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"id,meter\n", "column_missing"),
            (b"\xff\xfe\x00", "bad_encoding"),
            (b"", "column_missing"),
        ],
    )
    def test_refuses_a_file_it_cannot_read(self, sunrise, tmp_path, content, code):
        path = tmp_path / "bad.csv"
        path.write_bytes(content)

        with pytest.raises(CommandError, match=code):
            import_file(path)

    def test_says_that_a_file_is_missing(self, sunrise, tmp_path):
        with pytest.raises(CommandError, match="file_unreadable"):
            import_file(tmp_path / "nothing.csv")


class TestBill:
    def test_bills_prints_and_may_be_repeated(self, sunrise):
        out = io.StringIO()
        with time_machine.travel(datetime(2026, 4, 2, 12, tzinfo=UTC)):
            for _ in range(2):
                call_command("bill", "--month=2026-03", stdout=out)

        assert out.getvalue() == (
            "2026-03: 1 payers done, 0 in review, 0 parked; 1 documents\n"
            "2026-03: 0 payers done, 0 in review, 0 parked; 0 documents\n"
        )
        assert Document.objects.count() == 1

    def test_names_the_draft_that_another_month_waits_for(self, sunrise, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": timedelta(days=2)}
        out = io.StringIO()
        with time_machine.travel(datetime(2026, 4, 2, 12, tzinfo=UTC)):
            call_command("bill", "--month=2026-03", stdout=out)
            call_command("bill", "--month=2026-01", stdout=out)

        assert out.getvalue() == (
            "2026-03: 0 payers done, 1 in review, 0 parked; 1 documents\n"
            "2026-01: 0 payers done, 0 in review, 0 parked; 0 documents\n"
            "waiting SUNRISE: its draft of 2026-03 has to be issued or discarded"
            " first\n"
        )

    def test_refuses_a_month_that_is_not_over(self, sunrise):
        with pytest.raises(CommandError, match="month_not_over"):
            call_command("bill", "--month=2026-03")

    def test_shows_without_writing(self, sunrise):
        out = io.StringIO()

        call_command("bill", "--month=2026-03", dry_run=True, stdout=out)

        assert out.getvalue() == "SUNRISE 2026-03 50.00 USD\n"
        assert Document.objects.count() == 0

    def test_knows_no_agency_of_a_wrong_code(self, sunrise):
        with pytest.raises(CommandError, match="unknown_agency"):
            call_command("bill", "--month=2026-02", agency="NOBODY")


class TestQuote:
    def run(self, *lines, **environment):
        done = subprocess.run(
            [sys.executable, "manage.py", "quote"],
            check=False,
            cwd=ROOT,
            input="\n".join(lines).encode(),
            capture_output=True,
            env={**os.environ, **environment},
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        return done.returncode, answers, done.stderr

    def test_needs_no_server_with_a_list_of_its_own(self):
        nowhere = "postgresql://x@127.0.0.1:1/x"
        line = json.dumps(
            {
                "month": "2026-04",
                "price_list": {"currency": "USD", "seat_price": "50.00"},
                "seats": [{"agent": "A", "added_at": "2026-04-16"}],
            }
        )

        code, answers, _ = self.run(
            line,
            DATABASE_URL=nowhere,
            DATABASE_OWNER_URL=nowhere,
            REDIS_URL="redis://x",
        )

        assert (code, answers[0]["total"]) == (0, "25.00")

    def test_answers_each_bad_scenario_on_its_line_and_goes_on(self):
        good = (
            '{"month": "2026-04", "price_list": {"currency": "USD", "seat_price": "5"}}'
        )
        lines = [line for line, _, _ in BAD_SCENARIOS]

        returned, answers, err = self.run(*lines, "", good)

        assert returned == 2
        errors = [answer["error"] for answer in answers[:-1]]
        assert [(error["code"], error["field"]) for error in errors] == [
            (code, field) for _, code, field in BAD_SCENARIOS
        ]
        assert answers[-1]["total"] == "0.00"
        assert b"Traceback" not in err


class TestHelp:
    @pytest.mark.parametrize(
        "path",
        sorted((ROOT / "billing/management/commands").glob("[!_]*.py")),
        ids=lambda path: path.stem,
    )
    def test_explains_every_command_and_option(self, path):
        command = load_command_class("billing", path.stem)
        parser = command.create_parser("manage.py", path.stem)

        assert command.help
        assert [
            action.dest
            for action in parser._actions
            if not action.help and action.dest != "help"
        ] == []
