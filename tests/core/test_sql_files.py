"""SQL files: what stands in them is what is in force."""

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from core.postgres import sql_files
from core.postgres.sql_files import (
    LoadSql,
    digest_of,
    loaded_by_migrations,
    not_loaded,
    text_of,
)
from tests import databases
from tests.catalogue import catalogue, differences

# Django's own tables are made by Django's own migrations.
OF_DJANGO = ("auth_", "django_")
BALANCE = "billing/ledger/sql/balance.sql"
TABLES_LATER = "core/sql/django_tables.sql"


def without_django(objects):
    """Leaves out the tables of Django, and not who may do or see what with them."""
    return {
        name: definition
        for name, definition in objects.items()
        if name.startswith(("grant", "policy"))
        or not name.split()[1].startswith(OF_DJANGO)
    }


def catalogue_of(database):
    before = connections["owner"].settings_dict["NAME"]
    databases.use(database)
    try:
        with connections["owner"].cursor() as cursor:
            return without_django(catalogue(cursor))
    finally:
        databases.use(before)


def load(*paths):
    operation = LoadSql({path: digest_of(text_of(path) or "") for path in paths})
    with connections["owner"].schema_editor() as editor:
        operation.database_forwards("billing", editor, None, None)


@pytest.fixture
def declared(django_db_setup, django_db_blocker, settings):
    """The catalogue of a database made of the models and the SQL files alone."""
    with django_db_blocker.unblock(), databases.created() as name:
        first, *rest = dict.fromkeys(
            path for operation in loaded_by_migrations() for path in operation.files
        )
        load(first)
        settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
        MigrationRecorder(connections["owner"]).ensure_schema()
        call_command("migrate", database="owner", run_syncdb=True, verbosity=0)
        load(*rest)
        yield catalogue_of(name)


class TestMigratedDatabase:
    def test_is_what_the_models_and_the_sql_files_say(self, declared, fresh_database):
        migrated = catalogue_of(fresh_database.name)

        assert list(differences(declared, migrated)) == []
        kinds = {name.split()[0] for name in migrated}
        assert kinds >= {
            "function", "trigger", "policy", "grant", "constraint", "sequence",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("change", "kind"),
        [
            ("DROP TRIGGER void_is_append_only ON billing_void", "missing: trigger"),
            ("ALTER TABLE billing_void DISABLE TRIGGER USER", "different: trigger"),
            ("CREATE FUNCTION more() RETURNS int LANGUAGE sql RETURN 1", "extra: func"),
            ("ALTER FUNCTION refuse_change() SECURITY DEFINER", "different: function"),
            ("CREATE VIEW totals AS SELECT total FROM billing_document", "extra: view"),
            ("DROP POLICY within_reach ON seats_seat", "missing: policy"),
            (
                "ALTER POLICY within_reach ON seats_seat USING (true)",
                "different: policy",
            ),
            ("ALTER TABLE seats_seat DISABLE ROW LEVEL SECURITY", "different: table"),
            ("GRANT SELECT ON billing_mail TO dialer_member", "different: grant"),
            ("GRANT UPDATE ON billing_void TO dialer_app", "different: grant"),
            ("GRANT UPDATE (total) ON billing_document TO dialer_app", "extra: grant"),
            ("REVOKE ALL ON FUNCTION refuse_change() FROM PUBLIC", "extra: grant"),
            ("ALTER SEQUENCE billing_usageday_id_seq CACHE 1", "different: sequence"),
            ("ALTER TABLE billing_usageday RESET (fillfactor)", "different: table"),
            (
                "ALTER TABLE seats_member DROP CONSTRAINT member_is_an_agent_of_the_agency",
                "missing: constraint",
            ),
        ],
    )
    def test_differs_once_it_is_changed_without_a_file(
        self, fresh_database, owner_cursor, settings, change, kind
    ):
        before = catalogue_of(fresh_database.name)
        role = connections["default"].settings_dict["USER"]
        with connections["owner"].cursor() as cursor:
            change = change.replace("dialer_member", settings.MEMBER_ROLE)
            cursor.execute(change.replace("dialer_app", role))

        changes = list(differences(before, catalogue_of(fresh_database.name)))

        assert any(line.startswith(kind) for line in changes), changes


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A copy of the SQL files, which the test may change."""
    for path in sql_files.sql_files():
        copy = tmp_path / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text_of(path))
    monkeypatch.setattr(sql_files, "ROOT", tmp_path)
    return tmp_path


class TestNotLoaded:
    def test_names_nothing_while_migrations_load_every_file_as_it_is(self):
        assert list(not_loaded(loaded_by_migrations())) == []

    def test_names_a_file_that_was_changed_without_a_migration(self, files):
        (files / BALANCE).write_text("SELECT 1;\n")

        (line,) = not_loaded(loaded_by_migrations())

        assert line == (
            f"{BALANCE} was changed: add a migration with"
            f" LoadSql({{{BALANCE!r}: {digest_of('SELECT 1;' + chr(10))!r}}})"
        )

    def test_names_a_file_that_is_new(self, files):
        (files / "seats/access/sql").mkdir(parents=True)
        (files / "seats/access/sql/reach.sql").write_text("SELECT 1;\n")

        (line,) = not_loaded(loaded_by_migrations())

        assert line.startswith(
            "seats/access/sql/reach.sql was changed: add a migration"
        )

    def test_names_a_file_that_was_removed(self, files):
        (files / BALANCE).unlink()

        (line,) = not_loaded(loaded_by_migrations())

        assert line == (
            f"{BALANCE} was removed: add a migration with LoadSql({{{BALANCE!r}: None}})"
        )

    def test_is_content_with_the_migration_that_it_asks_for(self, files):
        (files / BALANCE).write_text("SELECT 1;\n")
        (files / TABLES_LATER).unlink()
        later = LoadSql({BALANCE: digest_of("SELECT 1;\n"), TABLES_LATER: None})

        assert list(not_loaded([*loaded_by_migrations(), later])) == []


class TestLoadSql:
    @pytest.fixture
    def version(self, files, fresh_database, django_db_blocker):
        """Loads a file that was written for a later migration, by an earlier one."""

        def run(text):
            (files / BALANCE).write_text(text)
            with connections["owner"].schema_editor() as editor:
                LoadSql({BALANCE: "0" * 12}).database_forwards("a", editor, None, None)
            with connections["owner"].cursor() as cursor:
                cursor.execute("SELECT to_regproc('newer')::text")
                return cursor.fetchone()[0]

        return run

    def test_meets_the_text_of_the_last_migration_in_an_earlier_one(self, version):
        newer = "CREATE FUNCTION newer() RETURNS int LANGUAGE sql RETURN 1;"

        assert version(newer) == "newer"

    def test_passes_over_what_names_a_table_that_comes_later(self, version):
        newer = (
            "CREATE FUNCTION newer() RETURNS bigint LANGUAGE sql"
            " RETURN (SELECT count(*) FROM a_later_table);"
        )

        assert version(newer) is None

    def test_passes_over_a_file_that_was_removed(self, files, fresh_database):
        (files / BALANCE).unlink()

        with connections["owner"].schema_editor() as editor:
            LoadSql({BALANCE: "0" * 12}).database_forwards("a", editor, None, None)

        assert not (files / BALANCE).exists()

    def test_names_the_role_of_the_application(self, files, fresh_database):
        (files / BALANCE).write_text(
            "CREATE FUNCTION role_name() RETURNS text LANGUAGE sql"
            " RETURN :'app_role'::text;"
            ' GRANT EXECUTE ON FUNCTION role_name() TO :"app_role";'
        )
        load(BALANCE)

        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT role_name() = current_user")
            assert cursor.fetchone() == (True,)
