"""Files made to exhaust memory or time are read quickly and reject only their own row."""

import codecs
import gzip
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from billing.metering.domain.formats import catalogue
from billing.metering.domain.formats.catalogue import detect_format, rows_of
from billing.metering.domain.formats.rows import BadEncoding, buffered
from tests.build import make_agency, make_prices, make_seats

pytestmark = pytest.mark.timeout(600)
ROOT = Path(__file__).resolve().parents[3]
SIZE = 300_000
HEAD = b"id,meter,quantity,occurred_at,agent\n"
ROW = b"%s,voice.out,60,2026-03-10T12:00:00,ana\n"
EVENT = json.dumps(
    {
        "specversion": "1.0", "id": "NAME", "source": "/test", "type": "voice.out",
        "time": "2026-03-10T12:00:00Z", "data": {"quantity": 60},
    }
).encode()  # fmt: skip


def csv_file(*rows: bytes) -> bytes:
    return HEAD + b"".join(rows)


def events(*names: bytes) -> list[bytes]:
    return [EVENT.replace(b"NAME", name) for name in names]


FILES = {
    "nested lists": b"[" * SIZE,
    "nested lists that end": b"[" * (SIZE // 2) + b"]" * (SIZE // 2),
    "nested objects": b'{"a":' * (SIZE // 5),
    "nested in a record": b'{"calls":[{"a":' + b"[" * SIZE,
    "nested in lines": (b'{"billsec":1}\n' + b"[" * 200_000 + b"\n") * 5,
    "closing": b"]" * SIZE,
    "empty objects": b"[" + b"{}," * (SIZE // 30),
    "empty objects in one": b'{"data":[{"a":[' + b"{}," * SIZE,
    "commas": b"[" + b"," * SIZE,
    "commas of a row": HEAD + b"," * SIZE,
    "number": b'{"id":' + b"9" * SIZE + b"}",
    "exponent": b'{"call_sec":1e999999999,"record_type":"x"}\n' * 9,
    "text": b'{"id":"' + b"x" * (5 * SIZE) + b'"}',
    "text that does not end": b'{"id":"' + b"x" * (5 * SIZE),
    "escapes": b'["' + b"\\" * (5 * SIZE),
    "keys": b'{"specversion":"1.0"' + b"".join(
        b',"k%d":1' % n for n in range(SIZE // 10)) + b"}",
    "blanks": b" " * (5 * SIZE) + b"[1]",
    "quote": HEAD + b'"a' + ROW * (SIZE // 40),
    "quotes": HEAD + b'a","x\n' * (SIZE // 6),
    "quote in one line": HEAD + b'"' + b"x," * SIZE,
    "NULs": b"\0" * SIZE,
    "UTF-16": HEAD.decode().encode("utf-16"),
    "gzip": gzip.compress(HEAD, mtime=0),
    "long ids": b"".join(
        b'{"record_type":"x","call_sec":1,"id":"%d%s","started_at":"x"}\n'
        % (n, b"x" * 100_000) for n in range(50)),
    "children without parents": b"sid,status,direction,start_time,duration,"
        b"parent_call_sid\n" + b"CA,completed,inbound,x,1,PARENT\n" * (SIZE // 40),
}  # fmt: skip


def test_no_file_takes_much_memory_or_time(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)

    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile_files", str(tmp_path)],
        check=False, capture_output=True, cwd=ROOT, timeout=500,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2_000:]
    report = json.loads(done.stdout)
    assert report["grown"] < 100, report
    assert len(report["readings"]) == len(FILES) * 8
    assert all(reading["seconds"] < 100 for reading in report["readings"]), report[
        "readings"
    ]


def read(content: bytes, feed: str = "") -> Counter[str]:
    """The number of rows with each rejection code."""
    with buffered(io.BytesIO(content)) as file:
        rows = rows_of(file, detect_format(file, feed), agency="SUNRISE", zone="UTC")
        return Counter(row.rejection.code if row.rejection else "" for row in rows)


GOOD = events(b"a", b"b", b"c")


class TestOneBadRecord:
    @pytest.mark.parametrize(
        ("record", "code"),
        [
            (b"[" * 200_000 + b"]" * 200_000, "too_deep"),
            (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
            (EVENT.replace(b"60", b'1, "quantity": 2'), "duplicate_key"),
            (EVENT.replace(b"60", b'"1_000"'), "bad_event"),
            (EVENT.replace(b"60", '"\N{FULLWIDTH DIGIT SIX}"'.encode()), "bad_event"),
            (EVENT.replace(b"NAME", b"\xff"), "bad_json"),
            (EVENT.replace(b"NAME", b"\0"), "bad_json"),
            (EVENT.replace(b"60", b"tru"), "bad_json"),
        ],
    )
    @pytest.mark.parametrize("joint", [b"\n", b",", b"\n\n"])
    def test_costs_no_other(self, record: bytes, code: str, joint: bytes) -> None:
        content = joint.join([*GOOD, record, *events(b"d", b"e")])
        if joint == b",":
            content = b"[" + content + b"]"

        assert read(content) == {"": 5, code: 1}

    def test_costs_no_other_in_a_page(self) -> None:
        call = b'{"sid":"CA%d","status":"completed","direction":"inbound",'
        call += b'"start_time":"2026-03-10T12:00:00Z","duration":"60"}'
        records = [
            call % 1,
            call % 2 + b"\xff",
            b"[" * 70_000 + b"]" * 70_000,
            call % 3,
        ]

        page = b'{"page":0,"calls":[' + b",".join(records) + b'],"next":null}'

        assert read(page, "twilio") == {"": 2, "bad_json": 1, "too_deep": 1}

    def test_costs_a_line_where_it_is_long(self) -> None:
        content = b"\n".join([*GOOD, b'{"a":"' + b"x" * 2_000_000 + b'"}', *GOOD])

        assert read(content, "cloudevents") == {"": 6, "record_too_long": 1}


class TestOneBadRow:
    @pytest.mark.parametrize("where", [0, 5_000, 9_999])
    def test_with_a_quote_that_does_not_close_costs_no_other(self, where: int) -> None:
        rows = [ROW % b"c%d" % n if n != where else ROW % b'"c' for n in range(10_000)]

        assert read(csv_file(*rows)) == {"": 9_999, "bad_row": 1}

    def test_is_named(self) -> None:
        with buffered(io.BytesIO(csv_file(ROW % b"a", ROW % b'"b', ROW % b"c"))) as f:
            rows = list(rows_of(f, "csv", agency="SUNRISE", zone="UTC"))

        assert [row.number for row in rows if row.rejection] == [3]
        assert "quote" in rows[1].rejection.message  # type: ignore[union-attr]

    def test_costs_no_other_between_rows_with_quotes(self) -> None:
        rows = [ROW % b'"c%d"' % n for n in range(100)]

        assert read(csv_file(*rows, ROW % b'"x', *rows)) == {"": 200, "bad_row": 1}

    def test_may_have_several_lines(self) -> None:
        assert read(csv_file(ROW % b'"a ""b""\n"', ROW % b"c")) == {"": 2}

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            (b"a,", b"\xff,", "bad_encoding"),
            (b"60", b"6\0", "bad_quantity"),
            (b"60", b"6_0", "bad_quantity"),
            (b"60", "\N{FULLWIDTH DIGIT SIX}".encode(), "bad_quantity"),
            (b"60", "\N{ARABIC-INDIC DIGIT SIX}".encode(), "bad_quantity"),
            (b"60", b"1e999999999", "bad_quantity"),
            (b"2026-03-10", "202\N{FULLWIDTH DIGIT SIX}-03-10".encode(), "bad_time"),
            (b"2026-03-10", b"2026_03_10", "bad_time"),
        ],
    )
    def test_with_a_bad_value_costs_no_other(
        self, old: bytes, new: bytes, code: str
    ) -> None:
        rows = [ROW % b"c%d" % n for n in range(20)]
        rows[7] = (ROW % b"a").replace(old, new, 1)

        assert read(csv_file(*rows)) == {"": 19, code: 1}


class TestWholeFiles:
    @pytest.mark.parametrize(
        "content",
        [
            csv_file(ROW % b"a").decode().encode("utf-16"),
            csv_file(ROW % b"a").decode().encode("utf-16-le"),
            gzip.compress(csv_file(ROW % b"a"), mtime=0),
            b"PK\x03\x04" + bytes(100),
            bytes(100),
        ],
    )
    def test_are_refused_where_they_are_no_text(self, content: bytes) -> None:
        with pytest.raises(BadEncoding):
            read(content, "csv")

    def test_may_begin_with_a_mark(self) -> None:
        assert read(codecs.BOM_UTF8 + csv_file(ROW % b"a")) == {"": 1}
        assert read(codecs.BOM_UTF8 + b"\n".join(GOOD)) == {"": 3}

    def test_may_begin_with_a_bad_record(self) -> None:
        assert read(b"\n".join([b"[" * 70, b'{"a":\xff}'][1:] + GOOD)) == {
            "": 3, "bad_json": 1,
        }  # fmt: skip

    def test_have_so_many_rows(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(catalogue, "MOST_ROWS", 2)

        with pytest.raises(catalogue.TooManyRows):
            read(csv_file(*[ROW % b"c%d" % n for n in range(3)]))


def test_a_command_reads_what_is_good_of_a_bad_file(
    fresh_database: Any, tmp_path: Path
) -> None:
    make_prices()
    make_seats(make_agency(), "ana")
    rows = [ROW % b"a", ROW % b'"b', b"\n" * 300_000, ROW % b"c"]
    path = tmp_path / "march.csv"
    path.write_bytes(csv_file(*rows))

    done = subprocess.run(
        [sys.executable, "manage.py", "import_usage", str(path), "--agency=SUNRISE"],
        check=False, capture_output=True, cwd=ROOT, timeout=300, text=True,
        env={**os.environ, **fresh_database.environment},
    )  # fmt: skip

    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "2 accepted, 0 duplicate, 0 rejected, 1 not read" in done.stdout
    assert "row 3: bad_row" in done.stderr
