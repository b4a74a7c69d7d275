"""Where the servers of this checkout live, and as whom they run."""

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
    """A server that should be there is not; the message says what to do."""


def is_root() -> bool:
    return os.geteuid() == 0


def state_folder() -> Path:
    """Data and logs: in the checkout, or when root in a folder of `nobody`."""
    return Path("/var/tmp", f"dialer-billing-{_NAME}") if is_root() else LOCAL


def archive_folder() -> Path:
    """Where archived months go: only our own processes touch it, also when root."""
    return LOCAL / "archive"


def socket_folder() -> Path:
    """A private folder for the sockets, short enough for the kernel's limit."""
    folder = state_folder() / "run"
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        return folder
    return Path(tempfile.gettempdir(), f"dialer-{os.geteuid()}-{_NAME}")


def database_url(role: Role) -> str:
    """Where the embedded database will be, for the app's or the owner's role."""
    return f"postgresql://dialer_{role}@/dialer?host={quote(str(socket_folder()), '')}"


def redis_url() -> str:
    """Where the embedded broker will be, as Celery spells it."""
    return f"redis+socket://{socket_folder()}/valkey.sock?virtual_host=0"


def local_secret_key(name: str = "secret_key") -> str:
    """A secret of this checkout, made once; production sets its own.

    It is written aside and then given its name, so nobody reads half of one.
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
    """How to start a process of the servers' user."""
    if not is_root():
        return {}
    return {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}


def make_private(folder: Path) -> Path:
    """A folder of the servers' user that nobody else can enter.

    Raises ServiceUnavailable where a link, or something of another user, stands there.
    """
    with suppress(FileExistsError):  # whatever stands there is looked at below
        folder.mkdir(mode=0o700, parents=True)
    owner = UNPRIVILEGED if is_root() else os.geteuid()
    with _opened(folder) as opened:
        if is_root() and os.fstat(opened).st_uid == 0:
            os.fchown(opened, owner, owner)
        if os.fstat(opened).st_uid != owner:
            raise ServiceUnavailable(f"{folder} belongs to somebody else; remove it.")
        os.fchmod(opened, 0o700)
    return folder


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """The folder itself: what is done to it is done to nothing that a link names."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        message = f"{folder} cannot be opened as a folder of its own; remove it."
        raise ServiceUnavailable(message) from error
    try:
        yield opened
    finally:
        os.close(opened)


@contextmanager
def one_starter(service: str) -> Iterator[None]:
    """Only one process of the checkout starts or stops a service at a time."""
    with _in_local():
        if is_root():
            (LOCAL / "state").write_text(f"{state_folder()}\n")
    make_private(state_folder())
    make_private(socket_folder())
    with open(LOCAL / f"{service}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def reachable_copy(wheel: Path, parts: list[str]) -> Path:
    """The wheel's files where the servers' user can read them.

    Another user cannot enter a private home, so root copies what is needed.
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
    """Whether something listens on a socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
