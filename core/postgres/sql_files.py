"""Database rules in SQL files, loaded by migrations.

A file holds the rules of one thing as they are now: functions, triggers, privileges,
and whatever else Django's models do not express. It can be loaded again at any time. In
a file, `:"app_role"` is the application's role as a name, and `:'app_role'` as a string,
as psql writes variables; `:"member_role"` is the role that pages for members read as.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import ProgrammingError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "seats", "billing")
DIGITS = 12


class LoadSql(Operation):
    """Load SQL files, each with the digest of its text: {path: digest}.

    Whoever changes a file adds a migration that loads it again. A new database then
    meets the first migration with the text of the last, and passes over a file that
    names what a later migration adds. None for a digest: the file was removed, and
    another operation drops what it made.
    """

    reduces_to_sql = True

    def __init__(self, files: dict[str, str | None]) -> None:
        self.files = files

    def state_forwards(self, app_label: str, state: Any) -> None:
        """The rules are no part of the models."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,
        to_state: Any,
    ) -> None:
        for path, digest in self.files.items():
            text = text_of(path)
            if text is None:
                continue
            if digest == digest_of(text):
                _load(text, schema_editor)
            else:
                _try_to_load(text, schema_editor)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: Any,
        to_state: Any,
    ) -> None:
        """The tables go by their own migrations, and take their triggers along."""

    def describe(self) -> str:
        return f"Load SQL: {', '.join(self.files)}"


def _load(text: str, schema_editor: BaseDatabaseSchemaEditor) -> None:
    roles = {
        "app_role": str(settings.DATABASES["default"]["USER"]),
        "member_role": settings.MEMBER_ROLE,
    }
    for variable, role in roles.items():
        text = text.replace(f':"{variable}"', schema_editor.quote_name(role))
        text = text.replace(f":'{variable}'", schema_editor.quote_value(role))
    schema_editor.execute(text, params=None)


def _try_to_load(text: str, schema_editor: BaseDatabaseSchemaEditor) -> None:
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            _load(text, schema_editor)
    except ProgrammingError:
        # A later migration loads the file, after what it names is there.
        return


def sql_files() -> list[str]:
    """The paths of all SQL files, from the root of the project."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("sql/*.sql")
    )


def text_of(path: str) -> str | None:
    """The text of a file; None if it was removed."""
    file = ROOT / path
    return file.read_text() if file.exists() else None


def digest_of(text: str) -> str:
    """What a migration records of the text that it loads."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def loaded_by_migrations() -> list[LoadSql]:
    """The operations of all migrations that load files, in the order they are run."""
    graph = MigrationLoader(None).graph
    keys = dict.fromkeys(
        key for leaf in graph.leaf_nodes() for key in graph.forwards_plan(leaf)
    )
    return [
        operation
        for key in keys
        for operation in graph.nodes[key].operations
        if isinstance(operation, LoadSql)
    ]


def not_loaded(operations: Iterable[LoadSql]) -> Iterator[str]:
    """A sentence for each file whose present text no migration loads."""
    digests: dict[str, str | None] = {}
    for operation in operations:
        digests |= operation.files
    for path in sorted(digests.keys() | set(sql_files())):
        text = text_of(path)
        digest = text and digest_of(text)
        if digests.get(path) != digest:
            change = "was changed" if text else "was removed"
            yield (
                f"{path} {change}: add a migration with"
                f" LoadSql({{{path!r}: {digest!r}}})"
            )
