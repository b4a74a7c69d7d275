"""Records that are too long, or that go on and on because they are broken."""

import json
from io import BytesIO
from typing import Any

import pytest

from core.parsing.records import RecordSplitter, Unreadable

INNER = {"id": "phantom", "x": ['a\\"{[', 1.5, None, True]}
LONG: list[dict[str, Any]] = [
    {"id": "long", "log": [INNER] * 900},
    {"id": "long", "text": 'x\\"' * 9_000},
    {"id": "long", **{f"k{n}": n for n in range(4_000)}},
    {"id": "long", "deep": {"deeper": [[INNER], {"a": [INNER] * 900}]}, "b": "\\"},
]
RECORDS = [{"id": f"r{n}", "x": "y" * 20} for n in range(5_000)]


class TestARecordThatIsTooLong:
    @pytest.mark.parametrize("long", LONG)
    @pytest.mark.parametrize("container", [b"[", b"", b"{"])
    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_costs_itself_however_long_it_is(
        self, long: dict[str, Any], container: bytes, place: int
    ) -> None:
        """What is inside of it is no record, even if it looks like one."""
        records: list[Any] = [{"id": "a"}, {"id": "b"}]
        records.insert(place, long)

        wanted: list[str | None] = ["a", "b"]
        wanted.insert(place, None)
        assert ids_of(records, container) == wanted

    @pytest.mark.parametrize(
        ("whole", "broken"), [('"x"', '"x'), ('"r5"', '"r5'), ("}", ""), ("{", "")]
    )
    def test_is_not_a_record_that_is_broken(self, whole: str, broken: str) -> None:
        """One that lacks a quote or a bracket goes on and on, but costs only itself."""
        texts = [json.dumps(record) for record in RECORDS]
        texts[5] = texts[5].replace(whole, broken, 1)

        read = ids_of_text(f"[{', '.join(texts)}]", b"[")

        assert len([name for name in read if name]) >= len(RECORDS) - 2

    def test_may_be_cut_off(self) -> None:
        text = json.dumps([{"id": "a"}, LONG[0]])[:-5_000]

        assert ids_of_text(text, b"[") == ["a", None]


def ids_of(records: list[Any], container: bytes) -> list[str | None]:
    texts = {
        b"[": json.dumps(records),
        b"": "\n".join(map(json.dumps, records)),
        b"{": json.dumps({"data": records, "meta": {}}),
    }
    return ids_of_text(texts[container], container)


def ids_of_text(text: str, container: bytes) -> list[str | None]:
    """The id of each record that can be read; None for one that cannot."""
    key = "data" if container == b"{" else ""
    splitter = RecordSplitter(
        BytesIO(text.encode()), container=container, key=key, longest=1_000
    )
    ids: list[str | None] = []
    records = splitter.records()
    while True:
        try:
            ids.append(json.loads(next(records))["id"])
        except StopIteration:
            return ids
        except json.JSONDecodeError:
            ids.append(None)
        except Unreadable:
            ids.append(None)
            if not splitter.resume():
                return ids
            records = splitter.records()
