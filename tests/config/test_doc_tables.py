"""The generated tables of the docs, and what they are made of."""

import pytest

from billing.webhooks.domain.catalogue import catalogue
from config.http import doc_tables
from config.http.doc_tables import COMMAND, TABLES, event_rows, page_with_table
from core.scopes import api_scopes


@pytest.mark.parametrize("name", TABLES)
def test_are_current(name):
    path, text = page_with_table(name)

    assert path.read_text() == text, f"Run `{COMMAND}`."


def test_have_a_row_for_each_event_and_scope():
    _, events = page_with_table("webhook events")
    _, scopes = page_with_table("API scopes")

    for name in catalogue():
        assert events.count(f"\n| `{name}` | ") == 1
    for name, scope in api_scopes().items():
        assert f"\n| `{name}` | {scope.allows} |\n" in scopes


def test_list_the_fields_as_they_are_delivered():
    rows = list(event_rows())

    assert (
        "`invoice.voided`",
        "An invoice was voided.",
        "`id`, `number`, `total`",
    ) in rows


def test_are_refused_where_their_place_is_missing(tmp_path, monkeypatch):
    (tmp_path / "api-keys.md").write_text("# API keys\n")
    monkeypatch.setattr(doc_tables, "DOCS", tmp_path)

    with pytest.raises(
        ValueError, match=r"docs/api-keys\.md must have <!-- API scopes"
    ):
        page_with_table("API scopes")
