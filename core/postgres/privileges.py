"""Privileges of the application's database role, for use in migrations."""

from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def app_role() -> str:
    """The database role of the service: the user of the default connection."""
    return str(settings.DATABASES["default"]["USER"])


def grant_defaults() -> migrations.RunPython:
    """Grant read and write on all existing and future tables, without TRUNCATE."""

    def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        role = schema_editor.quote_name(app_role())
        for where in ("", "ALTER DEFAULT PRIVILEGES IN SCHEMA public "):
            tables, sequences = (
                ("TABLES", "SEQUENCES")
                if where
                else (
                    "ALL TABLES IN SCHEMA public",
                    "ALL SEQUENCES IN SCHEMA public",
                )
            )
            schema_editor.execute(
                f"{where}GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role}"
            )
            schema_editor.execute(
                f"{where}GRANT USAGE, SELECT ON {sequences} TO {role}"
            )

    return migrations.RunPython(forwards, migrations.RunPython.noop)


def restrict(rules: dict[str, str]) -> migrations.RunPython:
    """Reduce the role's privileges on tables to these: {table: "SELECT, INSERT"}."""

    def forwards(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
        role = schema_editor.quote_name(app_role())
        for table, privileges in rules.items():
            name = schema_editor.quote_name(table)
            schema_editor.execute(f"REVOKE ALL ON {name} FROM {role}")
            schema_editor.execute(f"GRANT {privileges} ON {name} TO {role}")

    return migrations.RunPython(forwards, migrations.RunPython.noop)
