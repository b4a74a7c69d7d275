"""A database at the last commit before the migrations were squashed, and this version.

`tests/fixtures/before_squash.sql.gz` is what pg_dump wrote of a demo with few calls, with
payments, a void, a refund, a dispute, dunning and webhooks, at the commit that
`config.checks` names. Drop this module with `replaces` in the first migrations.
"""

import gzip
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.migrations.loader import MigrationLoader

from billing.invoicing.models.documents import Document
from config.checks import BEFORE_SQUASH
from config.services.postgres import _binaries
from tests import databases
from tests.catalogue import catalogue, differences

ROOT = Path(__file__).resolve().parents[2]
DUMP = ROOT / "tests/fixtures/before_squash.sql.gz"
# Tables that `migrate` itself writes to.
KEPT_BY_MIGRATE = {
    "django_content_type", "django_migrations", "auth_group_permissions", "auth_permission",
}  # fmt: skip
PARTITION = "billing_usageevent_20"
SECONDS = 300
VALUE = re.compile(r"\(('[^']*'::character varying)\)::text")
LIST = re.compile(r"\(ARRAY\[([^\]]*)\]\)::text\[\]")
ROWS = """
SELECT format('SELECT %L, to_jsonb(t) FROM %I t', relname, relname)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


def restore(name):
    """Fill a database as pg_dump says, for this server's roles."""
    dump = gzip.decompress(DUMP.read_bytes()).decode()
    owner, app = (connections[alias].settings_dict for alias in ("owner", "default"))
    dump = dump.replace("dialer_owner", owner["USER"]).replace(
        "dialer_app", app["USER"]
    )
    subprocess.run(
        [_binaries() / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-h", owner["HOST"],
         "-p", str(owner["PORT"]), "-U", owner["USER"], "-d", name],
        input=dump.encode(), check=True, capture_output=True, timeout=SECONDS,
    )  # fmt: skip


def migrate(environment):
    return subprocess.run(
        [sys.executable, "manage.py", "migrate", "--database", "owner"],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip


def all_rows():
    """Every row of every table, but of those that belong to Django's migrations."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(ROWS)
        queries = [query for (query,) in cursor.fetchall()]
        rows: list[str] = []
        for query in queries:
            cursor.execute(query)
            rows += map(repr, cursor.fetchall())
    return sorted(
        row for row in rows if not any(f"('{t}'" in row for t in KEPT_BY_MIGRATE)
    )


def execute(statement):
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def catalogue_now():
    """Without partitions; lists of texts as pg_dump has PostgreSQL read them again."""
    with connections["owner"].cursor() as cursor:
        objects = catalogue(cursor)
    return {
        name: LIST.sub(r"ARRAY[\1]", VALUE.sub(r"\1", text))
        for name, text in objects.items()
        if PARTITION not in name
    }


@pytest.fixture
def filled(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock(), databases.created() as name:
        restore(name)
        yield databases.urls(name)


@pytest.mark.timeout(SECONDS + 60)
class TestFilledDatabase:
    def test_is_migrated_without_losing_a_row(
        self, filled, fresh_database_catalogue, time_machine, capsys
    ):
        before = all_rows()
        ((made_at,),) = execute("SELECT max(applied) FROM django_migrations")

        answer = migrate(filled)

        assert answer.returncode == 0, answer.stderr
        assert "Applying billing.0002_sql... OK" in answer.stdout
        assert "0001" not in answer.stdout
        assert len(before) > 1_000
        assert all_rows() == before
        assert list(differences(fresh_database_catalogue, catalogue_now())) == []
        time_machine.move_to(made_at + timedelta(minutes=10))
        call_command("verify")
        assert capsys.readouterr().out.startswith("0 differences")
        assert Document.objects.filter(state="paid").exists()
        assert migrate(filled).stdout.rstrip().endswith("No migrations to apply.")

    @pytest.mark.parametrize(("app", "position"), [("seats", 0), ("billing", -2)])
    def test_is_refused_while_it_lacks_some_of_the_older_migrations(
        self, filled, app, position
    ):
        replaced = MigrationLoader(None).replacements[app, "0001_initial"].replaces
        last = sorted(["0001_initial", *(name for _, name in replaced)])[position]
        execute(
            f"DELETE FROM django_migrations WHERE app = '{app}' AND name > '{last}'"
        )
        before = all_rows()

        answer = migrate(filled)

        assert answer.returncode == 1
        assert f"config.E015) The database is at {app}.{last}," in answer.stderr
        assert f"Check out {BEFORE_SQUASH}, run" in answer.stderr
        assert "Traceback" not in answer.stderr
        assert all_rows() == before


@pytest.fixture
def fresh_database_catalogue(django_db_setup, django_db_blocker):
    """The catalogue of a database that this version made."""
    with django_db_blocker.unblock(), databases.cloned():
        return catalogue_now()
