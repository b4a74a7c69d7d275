"""What others send is read in one spelling, bounded, and each record by itself."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing import records, values
from core.parsing.lines import bounded_lines
from core.parsing.records import Unreadable, split_records
from core.parsing.strict_json import (
    MAX_DEPTH,
    BadJson,
    DuplicateKey,
    TooDeep,
    decode_json,
)

FULL_WIDTH_1 = "\N{FULLWIDTH DIGIT ONE}"
decode = msgspec.json.Decoder().decode


class TestValues:
    @pytest.mark.parametrize(
        ("parse", "text", "value"),
        [
            (values.parse_decimal, "-12.50", Decimal("-12.50")),
            (values.parse_decimal, "1e3", Decimal(1000)),
            (values.parse_decimal, ".5", Decimal("0.5")),
            (values.parse_integer, "-12", -12),
            (values.parse_date, "2026-03-09", date(2026, 3, 9)),
            (values.parse_month, "2026-03", date(2026, 3, 1)),
            (values.parse_instant, "2026-03-09 10:00:00", datetime(2026, 3, 9, 10)),  # noqa: DTZ001
            (values.parse_instant, "2026-03-09T10:00:00Z",
             datetime(2026, 3, 9, 10, tzinfo=UTC)),
        ],
    )  # fmt: skip
    def test_are_read(
        self, parse: Callable[[str], Any], text: str, value: object
    ) -> None:
        assert parse(text) == value

    @pytest.mark.parametrize(
        ("parse", "good"),
        [
            (values.parse_decimal, "1000"),
            (values.parse_integer, "1000"),
            (values.parse_date, "2026-10-01"),
            (values.parse_month, "2026-10"),
            (values.parse_instant, "2026-10-01T10:00:00Z"),
        ],
    )
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: text.replace("1", FULL_WIDTH_1, 1),
            lambda text: text.replace("1", "\N{ARABIC-INDIC DIGIT ONE}", 1),
            lambda text: text.replace("1", "1_", 1),
            lambda text: "",
            lambda text: text + "\0",
            lambda text: text + "x",
            lambda text: "9" * 5_000,
            lambda text: "NaN",
            lambda text: "Infinity",
        ],
    )
    def test_have_one_spelling(
        self, parse: Callable[[str], Any], good: str, spoil: Callable[[str], str]
    ) -> None:
        with pytest.raises(ValueError, match=r"not|Invalid|out of range|must be"):
            parse(spoil(good))


class TestJson:
    @pytest.mark.parametrize(
        "text",
        [
            b'{"a": 1, "b": 2, "a": 3}',
            b'{"a":1,"a":2}',
            b'{"x": [{"a": 1, "\\u0061" : 2}]}',
            b'{"a" : 1, "a"\n: 2}',
            b'{"b": "\\u003a", "a": 1, "a": "x"}',
            b'{"b": ":", "a": {"a": 1}, "a": 1}',
        ],
    )
    def test_with_a_key_twice_is_refused_by_its_name(self, text: bytes) -> None:
        with pytest.raises(DuplicateKey, match="'a' appears twice") as refused:
            decode_json(text, decode)

        assert refused.value.field == "a"

    @pytest.mark.parametrize(
        "text", [b'{"a": {"a": {"a": 1}}}', b'[{"a": 1}, {"a": ": \\":"}]', b"[]", b"7"]
    )
    def test_may_have_a_key_in_two_objects(self, text: bytes) -> None:
        assert decode_json(text, decode) == json.loads(text)

    def test_has_so_many_levels(self) -> None:
        deepest = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH

        assert decode_json(deepest, decode)
        assert decode_json(b'["' + b"[" * 5_000 + b'"]', decode)
        for text in (b"[" + deepest + b"]", b"[" * 10**6, b'{"a":' * 10**6):
            with pytest.raises(TooDeep):
                decode_json(text, decode)

    @pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b'"\xff"', b"\0", b"NaN"])
    def test_is_json(self, text: bytes) -> None:
        with pytest.raises(BadJson):
            decode_json(text, decode)

    def test_of_another_shape_is_looked_at_as_well(self) -> None:
        of_numbers = msgspec.json.Decoder(dict[str, int]).decode

        with pytest.raises(DuplicateKey):
            decode_json(b'{"a": "x", "a": 1}', of_numbers)
        with pytest.raises(BadJson):
            decode_json(b'{"a": "x", "b": tru}', of_numbers)
        with pytest.raises(msgspec.ValidationError):
            decode_json(b'{"a": "x"}', of_numbers)


leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)
spellings = st.sampled_from([{}, {"indent": 1}, {"ensure_ascii": False}])


class TestRecords:
    @given(
        st.lists(trees, max_size=5),
        spellings,
        st.sampled_from([1, 3, 17, 65_536]),
        st.data(),
    )
    def test_are_cut_apart_in_every_shape(
        self,
        documents: list[Any],
        spelling: dict[str, Any],
        chunk: int,
        data: st.DataObject,
    ) -> None:
        objects = [{"r": row} for row in documents]
        shapes: list[tuple[str, dict[str, Any], list[Any]]] = [
            (json.dumps(documents, **spelling), {"container": b"["}, documents),
            (json.dumps({"n": documents, "calls": documents, "x": 1}, **spelling),
             {"container": b"{", "key": "calls"}, documents),
            ("\n".join(json.dumps(row, **spelling) for row in objects), {}, objects),
        ]  # fmt: skip
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(records, "CHUNK", chunk)
            for text, shape, wanted in shapes:
                assert cut(text * 2, **shape) == wanted * 2
            whole = shapes[0][0]
            end = data.draw(st.integers(1, len(whole)) if whole else st.just(0)) - 1
            if whole[:end].strip():
                with pytest.raises(Unreadable):
                    cut(whole[:end], container=b"[")

    @pytest.mark.parametrize("text", ["[1,,2]", "[1]]", "[1}", "[1] x [2]", '["'])
    def test_end_where_the_structure_is_broken(self, text: str) -> None:
        with pytest.raises(Unreadable):
            cut(text, container=b"[")

    def test_have_so_many_bytes(self) -> None:
        with pytest.raises(Unreadable, match="more than 99 bytes"):
            list(
                split_records(BytesIO(b'["' + b"x" * 10**6), container=b"[", longest=99)
            )


def cut(text: str, **shape: Any) -> list[Any]:
    file = BytesIO(text.encode(errors="surrogatepass"))
    return [
        json.loads(record) for record in split_records(file, longest=10**6, **shape)
    ]


def test_long_lines_are_passed_over() -> None:
    documents = f"a\n{'x' * 5_000}\nb\r{'y' * 11}"

    assert list(bounded_lines(StringIO(documents, newline=""), 10)) == [
        "a\n", None, "b\r", None,
    ]  # fmt: skip
    assert list(bounded_lines(BytesIO(b"x" * 99 + b"\nb"), 10)) == [None, b"b"]
