"""PostgreSQL servers that tests may stop, restart and configure; ended by pid."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from config.services import places
from config.services.postgres import INITDB, _binaries

READY_SECONDS = 60
QUICK = ["fsync=off", "synchronous_commit=off", "shared_buffers=32MB"]


@dataclass
class Server:
    """One server on loopback; whoever connects is believed to be who they say."""

    binaries: Path
    data: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    def url(self, user: str, database: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = [part for setting in QUICK for part in ("-c", setting)]
        self.process = subprocess.Popen(
            [str(self.binaries / "postgres"), "-D", str(self.data),
             "-p", str(self.port), "-h", "127.0.0.1", "-k", "", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **places.as_server_user(),
        )  # fmt: skip
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop at once, as `pg_ctl stop -m fast` does. Repeating is harmless."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=READY_SECONDS)
            self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The server and all its processes stand still; connections stay open."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.process.send_signal(signal.SIGSTOP)
        pids = [int(pid) for pid in children.read_text().split()]
        try:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in (*pids, self.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def run(self, tool: str, *arguments: str) -> str:
        """Run one of the server's own tools, such as pg_dump; what it printed."""
        answer = subprocess.run(
            [str(self.binaries / tool), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PGCONNECT_TIMEOUT": "10"},
            **places.as_server_user(),
        )
        return str(answer.stdout)


@contextmanager
def running_postgres(folder: Path) -> Iterator[Server]:
    """A new PostgreSQL 18 with the superuser `postgres` and nothing else."""
    folder = places.make_private(folder)
    with places.one_starter("postgres"):
        binaries = _binaries()
    data = folder / "data"
    subprocess.run(
        [str(binaries / "initdb"), *INITDB, "--no-sync", "-D", str(data)],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
        **places.as_server_user(),
    )
    server = Server(binaries, data, _free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def as_user(url: str, user: str) -> str:
    """The same database for another role."""
    return url.replace(f"{urlsplit(url).username}@", f"{user}@", 1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
