"""Comparing a carrier's file with stored events finds each difference once."""

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.domain.formats.catalogue import UnknownFormat
from billing.metering.domain.formats.rows import BadEncoding, buffered
from billing.metering.models import UsageEvent
from billing.metering.queries.reconciliation import (
    UsageDifference,
    compare_file,
)
from core.errors import BadMonth
from core.tables import safe_cell
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import MARCH, call, make_agency, make_agents, make_prices, use
from tests.rollback import rolled_back

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
APRIL_9 = datetime(2026, 4, 9, 12, tzinfo=UTC)
NOON = datetime(2026, 3, 10, 16, tzinfo=UTC)
HEAD = "id,meter,quantity,occurred_at,agent"
Row = tuple[str, str, int, datetime, str]


def row(
    name: str,
    quantity: int = 60,
    at: datetime = NOON,
    meter: str = "voice.out",
    agent: str = "",
) -> Row:
    return (name, meter, quantity, at, agent)


def csv_of(*rows: Row) -> bytes:
    lines = [f"{i},{m},{q},{at.isoformat()},{who}" for i, m, q, at, who in rows]
    return "\n".join([HEAD, *lines]).encode()


def store(*rows: Row, **changes: Any) -> None:
    results = use(
        *[
            call(id=i, meter=m, quantity=Decimal(q), occurred_at=at, agent=who or None,
                 **changes)
            for i, m, q, at, who in rows
        ],
        now=APRIL_9,
    )  # fmt: skip
    assert {result.status for result in results} <= {"accepted"}


@pytest.fixture
def sunrise(db):
    make_prices()
    agency = make_agency()
    make_agents(agency, "ana", "ben")
    return agency


def compare(agency: Any, content: bytes, **options: Any) -> Any:
    """Return the report, and its differences as (kind, id, stored, in_file, of_month)."""
    differences: list[UsageDifference] = []
    report = compare_file(
        buffered(BytesIO(content)),
        agency=agency,
        month=options.pop("month", MARCH),
        on_difference=differences.append,
        **options,
    )
    return report, [
        (d.kind, d.id, d.stored, d.in_file, d.of_month) for d in differences
    ]


class TestCompareFile:
    def test_finds_nothing_where_both_are_equal(self, sunrise):
        events = [row("a"), row("b", 0), row("c", 7, agent="ana")]
        store(*events)

        report, rows = compare(sunrise, csv_of(*events))

        assert (report.is_equal, rows, report.feed) == (True, [], "csv")
        (total,) = report.sums
        sums = (total.stored, total.in_file)
        assert (total.kind, total.records, *sums) == ("equal", 3, 67, 67)

    def test_finds_what_only_one_side_has_and_other_seconds(self, sunrise):
        store(row("a"), row("b", 30), row("c", 60))

        report, rows = compare(sunrise, csv_of(row("a"), row("b", 31), row("d", 5)))

        assert not report.is_equal
        assert rows == [
            ("only_in_file", "d", None, 5, -5),
            ("only_stored", "c", 60, None, 60),
            ("other_quantity", "b", 30, 31, -1),
        ]

    def test_finds_one_id_with_another_day_or_meter(self, sunrise):
        store(row("a"), row("b"))

        _, rows = compare(
            sunrise,
            csv_of(row("a", at=NOON + timedelta(days=1)), row("b", meter="voice.in")),
        )

        assert rows == [
            ("other_day", "a", 60, 60, 0),
            ("other_meter", "b", 60, 60, 0),
        ]

    def test_follows_the_local_month_and_what_crosses_its_edge(self, sunrise):
        last = datetime(2026, 4, 1, 3, 59, 59, tzinfo=UTC)  # 31 March in New York
        first = datetime(2026, 3, 1, 4, 59, 59, tzinfo=UTC)  # 28 February there
        second = timedelta(seconds=1)
        store(row("late", at=last), row("early", at=first), row("x", at=last))

        _, rows = compare(
            sunrise,
            csv_of(row("late", at=last + second), row("early", at=first + second)),
        )

        assert rows == [
            ("only_stored", "x", 60, None, 60),
            ("other_day", "early", 60, 60, -60),
            ("other_day", "late", 60, 60, 60),
        ]
        assert compare(sunrise, csv_of(row("early", at=first)), month=date(2026, 2, 1))[
            0
        ].is_equal

    def test_reads_times_without_offset_in_the_zone_it_is_told(self, sunrise):
        store(row("a", at=datetime(2026, 3, 31, 23, tzinfo=UTC)))
        content = f"{HEAD}\na,voice.out,60,2026-04-01T01:00:00,".encode()

        assert compare(sunrise, content, zone="Europe/Berlin")[0].is_equal
        assert not compare(sunrise, content)[0].is_equal

    def test_counts_a_row_told_twice_once(self, sunrise):
        store(row("a"))
        why: list[str] = []

        report = compare_file(
            buffered(BytesIO(csv_of(row("a"), row("a")))),
            agency=sunrise,
            month=MARCH,
            on_difference=lambda difference: why.append(difference.why),
        )

        assert [total.kind for total in report.sums] == ["equal", "only_in_file"]
        assert why == ["voice.out on 2026-03-10: more often than stored"]

    def test_gives_the_same_the_second_time(self, sunrise):
        store(row("a"), row("b"))

        assert compare(sunrise, csv_of(row("a"))) == compare(sunrise, csv_of(row("a")))

    def test_sees_only_the_events_of_the_agency_and_source(self, sunrise):
        other = make_agency("OTHER")
        store(row("a"))
        store(row("a"), source="/elsewhere")
        store(row("b"), agency="OTHER")

        assert len(compare(sunrise, csv_of(row("a")))[1]) == 1
        assert compare(sunrise, csv_of(row("a")), source="/dialer/test")[0].is_equal
        assert compare(other, csv_of(row("b")))[0].is_equal

    def test_leaves_out_rows_of_other_agencies(self, sunrise):
        content = f"{HEAD},agency\na,voice.out,60,2026-03-10T12:00:00,,OTHER".encode()

        report, rows = compare(sunrise, content)

        assert (report.other_agencies, rows) == (1, [])

    def test_names_rows_that_it_cannot_read(self, sunrise):
        content = f"{HEAD}\na,voice.out,many,2026-03-10T12:00:00,\nb\n".encode()

        report, rows = compare(sunrise, content)

        assert [name for _, name, *_ in rows] == ["row 2", "row 3"]
        assert not report.is_equal

    def test_counts_what_was_taken_back_as_its_net(self, sunrise):
        store(row("a", 60), row("fixed", 75))
        take_back("a")

        assert compare(sunrise, csv_of(row("fixed", 75)))[0].is_equal
        assert compare(sunrise, csv_of(row("a"), row("fixed", 75)))[1] == [
            ("only_in_file", "a", None, 60, -60)
        ]

    def test_knows_an_event_by_the_id_it_replaced(self, sunrise):
        store(row("a", 60))
        take_back("a")
        replace("a", by="a-2", quantity=75)

        assert compare(sunrise, csv_of(row("a", 60)))[1] == [
            ("other_quantity", "a-2", 75, 60, 15)
        ]
        assert compare(sunrise, csv_of(row("a-2", 75)))[0].is_equal


def take_back(name: str) -> None:
    """Write the row that reverses an event."""
    event = UsageEvent.objects.get(external_id=name)
    write_like(event, raw=-event.raw, billable=-event.billable, reverses=event.id)


def replace(name: str, *, by: str, quantity: int) -> None:
    """Write the row of an event that replaces another one."""
    event = UsageEvent.objects.get(external_id=name, reverses=None)
    raw = Decimal(quantity)
    write_like(event, raw=raw, billable=raw, external_id=by, supersedes=name)


def write_like(event: UsageEvent, **changes: Any) -> None:
    columns = [field.attname for field in UsageEvent._meta.concrete_fields]
    same = {name: getattr(event, name) for name in columns}
    greatest = UsageEvent.objects.order_by("-id").values_list("id", flat=True)[0]
    UsageEvent.objects.create(**{**same, "id": greatest + 1, **changes})


class TestByTime:
    def test_pairs_what_no_id_pairs_by_answer_quantity_and_agent(self, sunrise):
        store(row("a", agent="ana"), row("b", agent="ben"), row("c", 30))
        file_rows = csv_of(row("1", agent="ben"), row("2", agent="ana"), row("3", 30))

        by_id, by_time = (
            compare(sunrise, file_rows, by_time=by_time)[0] for by_time in (False, True)
        )

        assert (by_id.is_equal, by_id.ids_in_common) == (False, False)
        assert by_time.is_equal

    def test_takes_an_agent_that_one_side_does_not_know(self, sunrise):
        store(row("a", agent="ana"), row("b"))

        file_rows = csv_of(row("1"), row("2", agent="ben"))
        assert compare(sunrise, file_rows, by_time=True)[0].is_equal

    def test_keeps_apart_two_agents_and_two_seconds(self, sunrise):
        store(row("a", agent="ana"), row("b", 7))
        later = NOON + timedelta(seconds=1)

        file_rows = csv_of(row("1", agent="ben"), row("2", 7, at=later))
        assert len(compare(sunrise, file_rows, by_time=True)[1]) == 4


class TestRefusals:
    @pytest.mark.parametrize(
        ("content", "options", "refusal"),
        [
            (b"hello\n", {}, UnknownFormat),
            (csv_of(row("a")), {"feed": "nope"}, UnknownFormat),
            (b"\0\0", {"feed": "csv"}, BadEncoding),
            (csv_of(row("a")), {"month": date(1999, 1, 1)}, BadMonth),
            (csv_of(row("a")), {"month": date(9999, 12, 1)}, BadMonth),
        ],
    )
    def test_are_said(self, sunrise, content, options, refusal):
        with pytest.raises(refusal):
            compare(sunrise, content, **options)


KINDS = ["same", "dropped", "added", "longer", "later", "metered"]


@given(st.lists(st.sampled_from(KINDS), max_size=25), st.booleans())
@EXAMPLES
def test_exactly_what_was_changed_is_found(
    sunrise: Any, kinds: list[str], backwards: bool
) -> None:
    file_rows: list[Row] = []
    stored_rows: list[Row] = []
    expected = []
    for n, kind in enumerate(kinds):
        stored = row(f"r{n}", 60 + n, NOON + timedelta(minutes=n))
        in_file = {
            "longer": (*stored[:2], stored[2] + 1, *stored[3:]),
            "later": (*stored[:3], stored[3] + timedelta(days=2), stored[4]),
            "metered": (stored[0], "voice.in", *stored[2:]),
        }.get(kind, stored)
        stored_rows += [stored] * (kind != "added")
        file_rows += [in_file] * (kind != "dropped")
        name = {
            "dropped": "only_stored",
            "added": "only_in_file",
            "longer": "other_quantity",
            "later": "other_day",
            "metered": "other_meter",
        }
        if kind != "same":
            expected.append((name[kind], stored[0]))
    with rolled_back():
        store(*stored_rows)

        report, rows = compare(
            sunrise, csv_of(*(file_rows[::-1] if backwards else file_rows))
        )

        assert sorted((kind, name) for kind, name, *_ in rows) == sorted(expected)
        assert report.is_equal == (not expected)
        assert sum(s.stored for s in report.sums) == sum(r[2] for r in stored_rows)
        assert sum(s.in_file for s in report.sums) == sum(r[2] for r in file_rows)


class TestCommand:
    def reconcile(self, path, **options):
        out = StringIO()
        code: object = 0
        named: Any = {"month": "2026-03", "agency": "SUNRISE", **options}
        arguments = [f"--{name}={value}" for name, value in named.items()]
        try:
            call_command("reconcile", str(path), *arguments, stdout=out)
        except SystemExit as left:
            code = left.code
        except CommandError as error:
            return error.returncode, str(error)
        return code, out.getvalue()

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "march.csv"
        path.write_bytes(csv_of(row("a"), row("b", 31), row("=d", 5)))
        return path

    def test_says_that_nothing_differs(self, sunrise, path):
        store(row("a"), row("b", 31), row("=d", 5))

        code, out = self.reconcile(path)

        assert code == 0
        assert out.splitlines()[1].split() == "equal voice.out 3 96 96 0".split()

    def test_writes_the_differences_so_that_no_spreadsheet_runs_them(
        self, sunrise, path, tmp_path
    ):
        store(row("a"), row("b", 30))

        code, out = self.reconcile(path, differences=tmp_path / "out.csv")

        assert code == 1
        lines = [line.split() for line in out.splitlines()]
        assert ["only_in_file", "voice.out", "1", "0", "5", "-5"] in lines
        text = (tmp_path / "out.csv").read_text()
        rows = list(csv.reader(StringIO(text)))
        time = "2026-03-10T16:00:00Z"
        assert rows[1:] == [
            ["only_in_file", "'=d", "", time, "", "5", "-5",
             "voice.out on 2026-03-10: not stored"],
            ["other_quantity", "b", "", time, "30", "31", "-1", "stored 30, in the file 31"],
        ]  # fmt: skip
        assert safe_cell("@sum") == "'@sum"

    def test_hints_at_times_where_no_id_fits(self, sunrise, path):
        store(row("x"), row("y", 31), row("z", 5))

        code, out = self.reconcile(path)

        assert (code, "Use --match time to pair records by time" in out) == (1, True)
        assert self.reconcile(path, match="time")[0] == 0

    @pytest.mark.parametrize(
        ("options", "refusal_code"),
        [
            ({"agency": "NOBODY"}, "unknown_agency"),
            ({"timezone": "Mars/Base"}, "unknown_zone"),
            ({"month": "1999-01"}, "bad_month"),
        ],
    )
    def test_refuses_in_so_many_words(self, sunrise, path, options, refusal_code):
        code, error = self.reconcile(path, **options)

        assert (code, refusal_code in error) == (2, True), error

    def test_refuses_a_file_that_no_format_reads(self, sunrise, tmp_path):
        path = tmp_path / "bad.csv"
        path.write_text("id,meter\n")

        for options, refusal_code in (
            ({}, "unknown_format"),
            ({"format": "csv"}, "column_"),
        ):
            code, error = self.reconcile(path, **options)

            assert (code, refusal_code in error) == (2, True), error

    def test_says_that_a_file_is_missing(self, sunrise, tmp_path):
        code, error = self.reconcile(tmp_path / "nothing.csv")

        assert (code, "file_unreadable" in error) == (2, True)
