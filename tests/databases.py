"""Databases for the tests: a migrated template, and quick clones of it.

Migrations run as the owner; the tests run as the application's own role, which may
not TRUNCATE, so a test that needs committed rows gets a clone and drops it. They are in a
server of their own that does not wait for the disk, unless DATABASE_URL names another,
and has its files in memory where there is room.
"""

import hashlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from config.services import ensure_postgres, places
from config.services.postgres import Cluster, remove_data
from core.postgres.sql_files import sql_files

ROOT = Path(__file__).resolve().parents[1]
ALIASES = ("default", "owner")
DROP_TRIES = 50
TEMPLATE = f"{os.environ.get('TEST_DATABASE', 'dialer_test')}_template"
CLUSTER = Cluster(
    name="postgres-of-tests",
    port=5433,
    settings={
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "256MB",
    },
)
MEMORY = Path("/dev/shm")
ROOM = 1 << 30  # bytes; the server's files take a quarter of it


def use_own_server() -> None:
    """Start the tests' server unless it is running, and point the connections at it.

    Without fsync, a server that did not end properly may have lost anything.
    """
    if not connections.databases["owner"]["OPTIONS"]["embedded"]:
        return
    with places.one_starter("tests"):
        if not CLUSTER.is_running():
            _prepare_folder(CLUSTER.data)
        ensure_postgres(CLUSTER)
    for alias in ALIASES:
        connections[alias].close()
        settings = connections.databases[alias]
        settings["PORT"] = str(CLUSTER.port)
        settings["OPTIONS"] = {**settings["OPTIONS"], "embedded": False}


def _prepare_folder(data: Path) -> None:
    """Keep what a server that ended properly has left, or make a place for a new one.

    A clone is a thousand files, and ext4 takes ten times as long to create them while
    it remembers the files of clones that were dropped.
    """
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    is_whole = data.exists() and not (data / "postmaster.pid").exists()
    if is_whole and (data.is_symlink() or not has_room):
        return
    remove_data(data)
    CLUSTER.marker.unlink(missing_ok=True)
    if has_room:
        data.symlink_to(tempfile.mkdtemp(prefix="dialer-tests-", dir=MEMORY))


def schema_stamp() -> str:
    """Changes with everything that makes the schema."""
    digest = hashlib.sha256()
    others = [ROOT / "core/postgres/sql_files.py", ROOT / "billing/jobs.py"]
    rules = [ROOT / path for path in sql_files()]
    files = [*ROOT.glob("*/migrations/*.py"), *rules, *others]
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_template() -> None:
    """Migrate the template, unless it has this schema already; one process at a time."""
    with _server() as gate:
        gate.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [TEMPLATE])
        _make_template()


def _make_template() -> None:
    with _server() as server:
        stamp = server.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database"
            " WHERE datname = %s",
            [TEMPLATE],
        ).fetchone()
        if stamp and stamp[0] == schema_stamp():
            return
        drop(TEMPLATE)
        server.execute(_named("CREATE DATABASE {}", TEMPLATE))
    use(TEMPLATE)
    call_command("migrate", database="owner", verbosity=0)
    for alias in ALIASES:
        connections[alias].close()
    with _server() as server:
        server.execute(
            _named("COMMENT ON DATABASE {} IS ", TEMPLATE) + sql.Literal(schema_stamp())
        )


def clone(*, of: str = TEMPLATE) -> str:
    """A new database like the template, or another; its name."""
    name = f"{TEMPLATE.removesuffix('_template')}_{uuid.uuid4().hex[:12]}"
    with _server() as server:
        command = _named("CREATE DATABASE {} TEMPLATE ", name) + sql.Identifier(of)
        if connections.databases["owner"]["PORT"] == str(CLUSTER.port):
            command += sql.SQL(" STRATEGY FILE_COPY")  # its checkpoints write nothing
        server.execute(command)
        # It is dropped in a moment: no commit has to wait for the disk.
        server.execute(_named("ALTER DATABASE {} SET synchronous_commit = off", name))
    return name


def drop(name: str) -> None:
    """Drop a database, whoever is still connected to it."""
    for alias in ALIASES:
        connections[alias].close()
    with _server() as server:
        for _ in range(DROP_TRIES):
            # Not WITH (FORCE): that would want to end the autovacuum as well.
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s AND backend_type = 'client backend'",
                [name],
            )
            try:
                server.execute(_named("DROP DATABASE IF EXISTS {}", name))
            except psycopg.errors.ObjectInUse:
                time.sleep(0.1)
            else:
                return
    raise TimeoutError(f"{name} is in use")


@contextmanager
def created() -> Iterator[str]:
    """Use a new database without tables, by its name; afterwards as for `cloned`."""
    with cloned(of="template0") as name:
        yield name


@contextmanager
def cloned(*, of: str = TEMPLATE) -> Iterator[str]:
    """Use a new clone, by its name; afterwards drop it and use what was used before."""
    before = connections["default"].settings_dict["NAME"]
    name = clone(of=of)
    use(name)
    try:
        yield name
    finally:
        use(before)
        drop(name)


def use(name: str) -> None:
    """Point this process's connections at a database."""
    for alias in ALIASES:
        connections[alias].close()
        connections[alias].settings_dict["NAME"] = name
        connections.databases[alias]["NAME"] = name


def urls(name: str) -> dict[str, str]:
    """The environment that points another process at a database."""
    environment = {"MFA_MANDATORY": "0"}
    for alias, variable in zip(
        ALIASES, ("DATABASE_URL", "DATABASE_OWNER_URL"), strict=True
    ):
        settings = connections.databases[alias]
        port = f":{settings['PORT']}" if settings["PORT"] else ""
        host = settings["HOST"].replace("/", "%2F")
        url = f"postgresql://{settings['USER']}@{port}/{name}?host={host}"
        environment[variable] = url
    return environment


@contextmanager
def _server() -> Iterator[psycopg.Connection[Any]]:
    """A session as the owner, outside of any of these databases."""
    settings = connections.databases["owner"]
    if settings["OPTIONS"]["embedded"]:
        ensure_postgres()
    with psycopg.connect(
        host=settings["HOST"],
        user=settings["USER"],
        password=settings["PASSWORD"] or None,
        port=settings["PORT"] or None,
        dbname="postgres",
        autocommit=True,
    ) as server:
        yield server


def _named(statement: str, name: str) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(name))
