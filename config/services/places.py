"""Folders, sockets and the operating system user of this checkout's servers."""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

Role = Literal["app", "owner"]

CHECKOUT = Path(__file__).resolve().parents[2]
LOCAL = CHECKOUT / ".local"
UNPRIVILEGED = 65_534  # nobody: PostgreSQL refuses to run as root
LONGEST_SOCKET_FOLDER = 93
_NAME = hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]


class ServiceUnavailable(Exception):
    """An embedded server cannot be used; the message says what to do."""


def is_root() -> bool:
    return os.geteuid() == 0


def state_folder() -> Path:
    """The folder of data and logs: in the checkout, or for root a folder of `nobody`."""
    return Path("/var/tmp", f"dialer-billing-{_NAME}") if is_root() else LOCAL


def archive_folder() -> Path:
    """The folder of archived months; only the service's own processes use it."""
    return LOCAL / "archive"


def documents_folder() -> Path:
    """The folder of the files of documents; only the service's own processes use it."""
    return LOCAL / "documents"


def socket_folder() -> Path:
    """A private folder for sockets, with a path short enough for the kernel's limit."""
    folder = state_folder() / "run"
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        return folder
    return Path(tempfile.gettempdir(), f"dialer-{os.geteuid()}-{_NAME}")


def database_url(role: Role) -> str:
    """The URL of the embedded database for the role of the app or of the owner."""
    return f"postgresql://dialer_{role}@/dialer?host={quote(str(socket_folder()), '')}"


def redis_url() -> str:
    """The URL of the embedded broker, in Celery's notation."""
    return f"redis+socket://{socket_folder()}/valkey.sock?virtual_host=0"


def local_secret_key(name: str = "secret_key") -> str:
    """A random secret of this checkout, created once; production sets its own.

    It is written to a temporary file that is then linked, so no reader sees half of it.
    """
    path = LOCAL / name
    with _in_local():
        if not path.exists():
            with tempfile.NamedTemporaryFile("w", dir=LOCAL, suffix=".new") as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                with suppress(FileExistsError):
                    os.link(file.name, path)
        return path.read_text()


@contextmanager
def _in_local() -> Iterator[None]:
    """Make the checkout's own folder; ServiceUnavailable where that cannot be."""
    try:
        LOCAL.mkdir(exist_ok=True)
        yield
    except OSError as error:
        raise ServiceUnavailable(
            f"{LOCAL} cannot be used ({error.strerror}). Make it a writable folder, or"
            " set SECRET_KEY, WEBHOOK_SECRETS_KEY, DATABASE_URL, DATABASE_OWNER_URL and"
            " REDIS_URL. (config.E011)"
        ) from error


def as_server_user() -> dict[str, Any]:
    """The arguments of `subprocess` to run a process as the servers' user."""
    if not is_root():
        return {}
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}


def make_private(folder: Path) -> Path:
    """Create a folder that only the servers' user can enter. Repeating is harmless.

    Raises ServiceUnavailable if the path is a link or belongs to another user.
    """
    with suppress(FileExistsError):  # an existing path is checked below
        folder.mkdir(mode=0o700, parents=True)
    owner = UNPRIVILEGED if is_root() else os.geteuid()
    with _opened(folder) as opened:
        if is_root() and os.fstat(opened).st_uid == 0:
            os.fchown(opened, owner, owner)
        if os.fstat(opened).st_uid != owner:
            raise ServiceUnavailable(
                f"{folder} belongs to another user. Remove it, then try again."
            )
        os.fchmod(opened, 0o700)
    return folder


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A descriptor of the folder itself, never of the target of a link."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        message = f"{folder} is not a folder or is a link. Remove it, then try again."
        raise ServiceUnavailable(message) from error
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def one_starter(service: str) -> Iterator[None]:
    """Let only one process of the checkout start or stop a service at a time."""
    with _in_local():
        if is_root():
            (LOCAL / "state").write_text(f"{state_folder()}\n")
    make_private(state_folder())
    make_private(socket_folder())
    with open(LOCAL / f"{service}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def reachable_copy(wheel: Path, parts: list[str]) -> Path:
    """The folder of a wheel's files that the servers' user can read.

    Another user cannot enter a private home directory, so root copies the files.
    """
    if not is_root():
        return wheel
    stamp = hashlib.sha256(f"{wheel} {wheel.stat().st_mtime_ns}".encode())
    target = state_folder() / f"wheel-{stamp.hexdigest()[:12]}"
    if not target.exists():
        partial = Path(tempfile.mkdtemp(dir=state_folder()))
        for part in parts:
            source = wheel / part
            if source.is_dir():
                shutil.copytree(source, partial / part, symlinks=True)
            else:
                (partial / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, partial / part)
        for path in (partial, *partial.rglob("*")):
            os.chown(path, UNPRIVILEGED, UNPRIVILEGED, follow_symlinks=False)
        partial.rename(target)
    return target


def answers(path: Path) -> bool:
    """Whether a server listens on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
