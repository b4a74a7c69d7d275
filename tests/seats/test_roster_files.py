"""Reading roster files: what spreadsheets make of them, and files made to do harm."""

import time
from contextlib import suppress
from datetime import date

import pytest

from core.tables import csv_pieces
from seats.roster.domain.roster_files import (
    MOST_BYTES,
    MOST_ROWS,
    BadRosterFile,
    entered,
    read_roster,
    written,
)
from seats.roster.domain.roster_plans import (
    AgentOnRecord,
    RosterPlan,
    SeatOnRecord,
    Verdict,
    plan_roster,
)

TODAY = date(2026, 3, 17)
AGENTS = [
    AgentOnRecord(1, "ana", "Ana Adams", "ana@example.com", "0123"),
    AgentOnRecord(2, "ben", "Ben Brooks", "", ""),
    AgentOnRecord(3, "cleo", "Cleo", "", ""),
]
SEATS = [
    SeatOnRecord(11, "seat-a", 1, date(2026, 3, 1), None),
    SeatOnRecord(12, "seat-b", 2, date(2026, 3, 1), date(2026, 6, 1)),
]


def plan(text: str, *, remove_missing: bool = False) -> RosterPlan:
    return plan_roster(
        read_roster(text.encode()),
        agents=AGENTS,
        seats=SEATS,
        on=TODAY,
        remove_missing=remove_missing,
        check=lambda columns: iter(()),
    )


def verdicts(text: str, **how: bool) -> list[tuple[int | None, str, str]]:
    rows = plan(text, **how).verdicts
    return [(row.row, row.agent, str(row.verdict)) for row in rows]


def only_error(text: str) -> tuple[int, str, str]:
    (error,) = plan(text).errors
    return error.row, error.column, error.code


class TestReading:
    @pytest.mark.parametrize(
        "content",
        [
            b"agent,name\nana,J\xc3\xb6rg\n",
            b"\xef\xbb\xbfagent,name\r\nana,J\xc3\xb6rg\r\n",
            "agent;name\nana;J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg\n".encode(
                "utf-16"
            ),
            b"agent;name\r\nana;J\xf6rg\r\n",  # what Excel on Windows saves
            b"sep=;\nAgent;Name\nana;J\xc3\xb6rg\n",
            b"external id\tNAME\nana\tJ\xc3\xb6rg\n",
            b'"agent","name"\n"ana","J\xc3\xb6rg"',
            b"agent,name\n\n  ana , J\xc3\xb6rg\n,\n",
        ],
    )
    def test_takes_what_spreadsheets_save(self, content):
        file = read_roster(content)

        assert file.errors == []
        assert [row.cells for row in file.rows] == [
            {"agent": "ana", "name": "J\N{LATIN SMALL LETTER O WITH DIAERESIS}rg"}
        ]

    def test_numbers_rows_as_a_spreadsheet_does(self):
        file = read_roster(b'agent,name\n\nana,"A\nB"\nben,B\n')

        assert [row.number for row in file.rows] == [3, 4]

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "is empty"),
            (b"\xef\xbb\xbf \n", "is empty"),
            (b"PK\x03\x04rest", "is a spreadsheet"),
            (b"\xd0\xcf\x11\xe0rest", "is a spreadsheet"),
            (b"agent\n\0", "is not text"),
            (b"\x81\x8d\x8f\xff", "is not text"),
            (b"\xff\xfea", "is not text"),
            (b"x" * (MOST_BYTES + 1), "more than 512 KB"),
            (b"agent\n" + b"a\n" * (MOST_ROWS + 1), "more than 2,000 rows"),
            (b'agent,name\nana,"A\n', "Row 2 cannot be read"),
            (b'agent,name\nana,"A"b\n', "Row 2 cannot be read"),
            (b"agent\n" + b"a" * 200_000, "Row 2 cannot be read"),
            (b"," * 400_000, "400001 columns"),
        ],
    )
    def test_refuses_what_is_no_roster(self, content, problem):
        with pytest.raises(BadRosterFile, match=problem):
            read_roster(content)

    def test_of_a_hostile_file_is_quick(self):
        started = time.process_time()
        for content in (
            b"agent\n" + b"," * 500_000,
            b'agent\n"' + b'""' * 250_000,
            b"agent\n" + b"\r" * 500_000,
            b"=" * 500_000,
            b"sep=\x07\n" + b"\x07" * 400_000,
        ):
            with suppress(BadRosterFile):
                assert len(read_roster(content).errors) <= MOST_ROWS
        assert time.process_time() - started < 10

    def test_protects_spreadsheets_and_reads_it_back(self):
        for value in ("=1+1", "@x", "-1", "+1", "'quoted", "plain", "a;=b"):
            (_, row) = "".join(csv_pieces(["agent"], [[value]])).splitlines()
            assert row.strip('"') == written(value)
        assert entered("'=1+1") == "=1+1"
        assert entered("'quoted") == "'quoted"


class TestPlanning:
    def test_gives_each_row_its_verdict(self):
        text = (
            "seat,agent,name,removed_on\n"
            "seat-a,cleo,Cleo,\n"
            ",dan,Dan,\n"
            ",ana,Ana Adams,2026-12-01\n"
            "seat-b,ben,Ben Brooks,2026-06-01\n"
        )

        assert verdicts(text) == [
            (2, "cleo", "seat handed over"),
            (3, "dan", "new agent with a seat"),
            (4, "ana", "error"),  # its seat goes to cleo in row 2
            (5, "ben", "unchanged"),
        ]

    def test_finds_the_seat_by_its_agent(self):
        assert verdicts("agent\nana\nben\n") == [
            (2, "ana", "unchanged"), (3, "ben", "unchanged"),
        ]  # fmt: skip

    def test_removes_missing_seats_only_if_that_is_wanted(self):
        kept, removed = plan("agent\nana\n"), plan("agent\nana\n", remove_missing=True)

        assert (kept.removals, [seat.id for seat in kept.missing]) == ({}, [12])
        assert removed.removals == {TODAY: [12]}
        assert removed.verdicts[-1].row is None
        assert removed.verdicts[-1].verdict is Verdict.REMOVED

    def test_takes_an_end_back_where_its_cell_is_empty_and_not_where_it_is_missing(
        self,
    ):
        assert plan("agent,removed_on\nben,\n").reopened == [12]
        assert plan("agent\nben\n").reopened == []

    def test_swaps_holders(self):
        swapped = plan("seat,agent\nseat-a,ben\nseat-b,ana\n")

        assert swapped.errors == []
        assert swapped.hand_overs == {11: ("ben", TODAY), 12: ("ana", TODAY)}

    def test_names_what_changes_about_an_agent(self):
        changed = plan("agent,name,npn\nana,Ana Abel,123\n")

        assert changed.details == {1: {"name": "Ana Abel", "npn": "123"}}
        assert changed.verdicts[0].details == [
            "name from Ana Adams to Ana Abel", "npn from 0123 to 123",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("agent,wage\nana,1\n", (1, "wage", "unknown_column")),
            ("agent,agent\nana,ana\n", (1, "agent", "duplicate_column")),
            ("name\nAna\n", (1, "agent", "missing_column")),
            ("agent,name\nana\n", (2, "", "cell_count")),
            ("agent,name\nana,Ana Adams,x\n", (2, "", "cell_count")),
            ("agent,name\n,Nobody\n", (2, "agent", "agent_missing")),
            ("agent,name\ndan,\n", (2, "name", "name_missing")),
            ("agent\nana\nana\n", (3, "agent", "duplicate_agent")),
            ("seat,agent\nseat-a,cleo\nseat-a,ana\n", (3, "seat", "duplicate_seat")),
            ("seat,agent\nseat-x,ana\n", (2, "seat", "unknown_seat")),
            ("seat,agent\nseat-a,ben\n", (2, "agent", "agent_has_a_seat")),
            ("agent,removed_on\nana,1/5/2026\n", (2, "removed_on", "bad_date")),
            ("agent,removed_on\nana,2026-02-28\n", (2, "removed_on", "removed_too_early")),
            ("agent,added_on\nana,2026-03-02\n", (2, "added_on", "added_on_fixed")),
            ('agent,name\nana,"A\x07"\n', (2, "name", "bad_string")),
        ],
    )  # fmt: skip
    def test_says_the_row_the_column_and_a_stable_code(self, text, error):
        assert only_error(text) == error

    def test_shows_no_removal_while_a_row_is_wrong(self):
        wrong = plan("agent,name\ndan,\n", remove_missing=True)

        assert (wrong.removals, wrong.missing) == ({}, [])
