"""The page of error codes, and what it is made of."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from rest_framework import exceptions

from config.http.error_codes import describe, error_codes, error_page, refusals
from config.http.errors import STATUSES
from core.errors import BodyTooLarge, Kind, NotFound, NotPermitted, Refusal

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "errors.md"
FOLDERS = ("config", "core", "seats", "billing")
CALLS = {"BadScenario", "problem"}


def literal_codes() -> Iterator[tuple[str, str]]:
    """Codes that are written where an error is made, each with its module."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                        for code in _codes_of(node):
                            yield code, str(path.relative_to(ROOT))


def _codes_of(call: ast.Call) -> Iterator[str]:
    by_name = [word.value for word in call.keywords if word.arg == "code"]
    for value in by_name or call.args[1:2]:
        match value:
            case ast.Constant(value=str(code)):
                yield code


class TestPage:
    def test_is_the_generated_text(self):
        message = "Run `python -m config.http.error_codes > docs/errors.md`."

        assert PAGE.read_text() == error_page(), message

    def test_has_a_row_for_each_code_in_order(self):
        rows = [
            line.split("`")[1] for line in error_page().splitlines() if "` | " in line
        ]
        codes = [code.code for code in error_codes()]

        assert rows[-len(codes) :] == codes == sorted(codes)


class TestCodes:
    def test_have_a_single_meaning_and_status(self):
        counts = Counter(code.code for code in error_codes())

        assert [code for code, count in counts.items() if count > 1] == []

    @pytest.mark.parametrize("code", error_codes(), ids=lambda code: code.code)
    def test_say_what_they_mean_and_what_to_do(self, code):
        for sentence in (code.meaning, code.remedy):
            assert sentence[:1].isupper() or sentence.startswith("`")
            assert sentence.endswith(".")
            assert "|" not in sentence
            assert "\n" not in sentence

    def test_of_every_error_are_on_the_page(self):
        documented = {code.code for code in error_codes()}
        written = dict(literal_codes())

        assert {"bad_month", "unknown_meter", "server_error"} <= set(written)
        assert {code for code in written if code not in documented} == set()

    @pytest.mark.parametrize(
        "kind",
        [
            exceptions.AuthenticationFailed,
            exceptions.MethodNotAllowed,
            exceptions.NotAcceptable,
            exceptions.NotAuthenticated,
            exceptions.NotFound,
            exceptions.PermissionDenied,
            exceptions.Throttled,
            exceptions.UnsupportedMediaType,
            exceptions.ValidationError,
        ],
    )
    def test_of_the_framework_have_its_statuses(self, kind):
        statuses = {code.code: code.status for code in error_codes()}

        assert statuses[kind.default_code] == kind.status_code


class TestRefusals:
    def test_are_those_that_state_a_code(self):
        names = {kind.__name__ for kind in refusals()}

        assert {"ReasonMissing", "BadJson", "SeatNotHeld", "UnknownAgent"} <= names
        assert not {"Refusal", "JsonRefused", "BadScenario"} & names

    def test_have_a_status_for_each_kind(self):
        assert set(STATUSES) == set(Kind)
        assert len(set(STATUSES.values())) == len(Kind)

    @pytest.mark.parametrize(
        ("kind", "status"), [(BodyTooLarge, 413), (NotFound, 404), (NotPermitted, 403)]
    )
    def test_have_the_status_of_their_kind(self, kind, status):
        assert describe(kind).status == status

    def test_are_described_by_their_docstrings(self):
        class Late(Refusal):
            """It is late.

            Come
            back.
            """

            code = "late"
            kind = Kind.CONFLICT

        code = describe(Late)

        assert (code.code, code.status) == ("late", 409)
        assert (code.meaning, code.remedy) == ("It is late.", "Come back.")
