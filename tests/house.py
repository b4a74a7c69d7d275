"""House rules that no other linter knows: sizes, and migrations that are complete.

Starts no server. Run as `python -m tests.house`; prints each breach, exits 1.
"""

import ast
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("config", "seats", "billing", "tests")
MODULE_LINES, MODULE_P90, FUNCTION_LINES = 400, 250, 50


def breaches() -> Iterator[str]:
    """Every breach of the size budget, then every missing migration."""
    files = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts
    ]
    sizes = sorted(len(path.read_text().splitlines()) for path in files)
    if sizes[int(len(sizes) * 0.9)] > MODULE_P90:
        yield f"90 % of modules have at most {MODULE_P90} lines"
    for path in files:
        yield from _breaches_of(path)
    yield from _missing_migrations()


def _breaches_of(path: Path) -> Iterator[str]:
    text = path.read_text()
    name = path.relative_to(ROOT)
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield f"{name}: {lines} lines, at most {MODULE_LINES}"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield f"{name}:{node.lineno} {node.name}: {size} lines"


def _missing_migrations() -> Iterator[str]:
    """What makemigrations would write, by the state alone: no database is asked."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.apps import apps
    from django.db.migrations.autodetector import MigrationAutodetector
    from django.db.migrations.loader import MigrationLoader
    from django.db.migrations.state import ProjectState

    loader = MigrationLoader(None)
    detector = MigrationAutodetector(
        loader.project_state(), ProjectState.from_apps(apps)
    )
    for app, changes in detector.changes(loader.graph).items():
        if app in {"seats", "billing"}:
            yield f"{app}: missing migration for {changes[0].operations}"


def main() -> None:
    messages = list(breaches())
    for breach in messages:
        sys.stdout.write(f"{breach}\n")
    sys.exit(1 if messages else 0)


if __name__ == "__main__":
    main()
