"""What the rooms declare, and that a started process has all of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib import admin

from core.rooms import import_from_rooms
from core.scopes import api_scopes
from core.webhook_events import event_types

ROOT = Path(__file__).resolve().parents[2]
STARTED = """
import django, json, sys
django.setup()
from django.contrib import admin
from core.scopes import api_scopes
from core.webhook_events import event_types
pages = [model.__name__ for model in admin.site._registry]
print(json.dumps([list(event_types()), list(api_scopes()), pages]))
"""


def declared(path: str, pattern: str) -> set[str]:
    """What the files at this path of the rooms declare by their text."""
    return {
        name
        for app in ("seats", "billing")
        for file in (ROOT / app).glob(path)
        for name in re.findall(pattern, file.read_text())
    }


def test_a_started_process_has_what_every_room_declares():
    child = subprocess.run(
        [sys.executable, "-c", STARTED],
        cwd=ROOT, env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    events, scopes, pages = json.loads(child.stdout)

    assert set(events) == set(event_types())
    assert set(events) == declared(
        "*/domain/webhook_events.py", r'event_type = "([a-z_.]+)"'
    )
    assert set(scopes) == set(api_scopes())
    assert set(scopes) == declared("*/domain/scopes.py", r'= "([a-z_]+:[a-z]+)", "')
    assert set(pages) == {model.__name__ for model in admin.site._registry}
    assert set(pages) >= declared("*/admin/*.py", r"@admin\.register\((\w+)\)\n")


def test_are_imported_by_kind(tmp_path, monkeypatch):
    for name in ("alpha/domain/signs.py", "beta/signs.py", "beta/domain/signs/two.py"):
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "house/__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    import_from_rooms("house", "domain/signs")
    import_from_rooms("house", "domain/signs")

    imported = {name for name in sys.modules if name.startswith("house.")}
    assert {name for name in imported if "signs" in name} == {
        "house.alpha.domain.signs", "house.beta.domain.signs",
        "house.beta.domain.signs.two",
    }  # fmt: skip


@pytest.mark.parametrize("scope", api_scopes().values(), ids=api_scopes())
def test_scopes_say_what_they_allow(scope):
    assert re.fullmatch(r"[a-z_]+:(read|write)", scope)
    assert re.fullmatch(r"[A-Z][^|\n]+\.", scope.allows)
