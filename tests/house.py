"""House rules that no other linter has: sizes, words, and complete migrations.

Starts no server. Run as `python -m tests.house`; prints each breach, exits 1.
"""

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("config", "core", "seats", "billing", "tests")
MODULE_LINES, MODULE_P90, FUNCTION_LINES = 400, 250, 50
STATEMENT_LINES = 20  # SQL statements of this size are in queries/sql.py
# Participles and pronouns say nothing of what a thing is; a noun of the field does.
WORDS = {"told", "said", "asked", "chosen", "known", "found", "ours", "theirs"}
# Words that were replaced; each thing has one name.
REPLACED = {
    "itemised": "itemized",
    "left_out": "skipped",
    "refused_row": "rejected_row",
    "refused_rows": "rejected_rows",
    "stamps": "cutoffs",
}
# Names of Django and of the standard library.
STANDARD = {
    "not_found",
    "page_not_found",
    "file_not_found_error",
    "zone_info_not_found_error",
}


def breaches() -> Iterator[str]:
    """Every breach of the size budget and the words, then every missing migration."""
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
    yield from _sql_that_is_not_loaded()


def _breaches_of(path: Path) -> Iterator[str]:
    text = path.read_text()
    name = path.relative_to(ROOT)
    lines = len(text.splitlines())
    if lines > MODULE_LINES:
        yield f"{name}: {lines} lines, at most {MODULE_LINES}"
    tree = ast.parse(text)
    if name.parts[0] != "tests" and name.parts[-2:] != ("queries", "sql.py"):
        for line in _long_statements(tree):
            yield f"{name}:{line} long SQL statement: move it to queries/sql.py"
    for node in ast.walk(tree):
        for advice in _advice(node):
            yield f"{name}:{getattr(node, 'lineno', 0)} {advice}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield f"{name}:{node.lineno} {node.name}: {size} lines"


def _advice(node: ast.AST) -> Iterator[str]:
    """What to use instead of each word of the node that is not the house's."""
    for identifier in _identifiers(node):
        if _is_vague(identifier):
            yield f"{identifier}: use a noun"
        if replacement := REPLACED.get(_snake(identifier)):
            yield f"{identifier}: use {replacement}"
    if _is_status_column(node):
        yield "status: use state or http_status"


def _long_statements(tree: ast.AST) -> list[int]:
    """The lines at which long SQL statements begin."""
    strings = {
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant | ast.JoinedStr)
        and (node.end_lineno or 0) - node.lineno + 1 >= STATEMENT_LINES
        and re.search(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", ast.unparse(node))
    }
    return sorted(strings)


def _identifiers(node: ast.AST) -> Iterator[str]:
    """Names that a node gives or uses; those of tests are sentences."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            if not name.startswith(("test_", "Test")):
                yield name
        case ast.keyword(arg=str(name)):
            yield name
        case ast.alias(name=name):
            yield name.rpartition(".")[2]


def _is_status_column(node: ast.AST) -> bool:
    """Whether the node gives a model a column named status, which is a word of HTTP."""
    match node:
        case ast.Assign(
            targets=[ast.Name(id="status")],
            value=ast.Call(func=ast.Attribute(value=ast.Name(id="models"))),
        ):
            return True
    return False


def _snake(identifier: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower().strip("_")


def _is_vague(identifier: str) -> bool:
    snake = _snake(identifier)
    parts = snake.split("_")
    return snake not in STANDARD and (snake == "one" or not WORDS.isdisjoint(parts))


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


def _sql_that_is_not_loaded() -> Iterator[str]:
    """SQL files that were changed without a migration that loads them again."""
    from core.postgres.sql_files import loaded_by_migrations, not_loaded

    yield from not_loaded(loaded_by_migrations())


def main() -> None:
    lines = list(breaches())
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
