"""Fixtures: real databases, real roles, real threads, real workers."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.db.backends.utils import CursorWrapper
from django.test import Client, override_settings
from pytest_django.plugin import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware

from tests import databases
from tests.billing.invoicing.worlds import World
from tests.everything import make_everything
from tests.rollback import rolled_back
from tests.workers import ALL_QUEUES, Worker, running_broker, start_beat, start_worker


def pytest_collection_finish() -> None:
    """What was collected stays to the end, so garbage is not looked for in it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """One clone of the template for all tests that roll back."""
    with django_db_blocker.unblock():
        databases.use_own_server()
        databases.make_template()
        clone = ExitStack()
        clone.enter_context(databases.cloned())
    yield
    with django_db_blocker.unblock():
        clone.close()


@dataclass(frozen=True)
class FreshDatabase:
    """A database of the test's own, and how another process reaches it."""

    name: str
    environment: dict[str, str]


@pytest.fixture
def fresh_database(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[FreshDatabase]:
    """A new clone for a test that commits; dropped afterwards."""
    with django_db_blocker.unblock(), databases.cloned() as name:
        yield FreshDatabase(name, databases.urls(name))


@pytest.fixture
def owner_cursor(fresh_database: FreshDatabase) -> Iterator[CursorWrapper]:
    """The owner's hands, for tampering."""
    with connections["owner"].cursor() as cursor:
        yield cursor


@pytest.fixture(scope="session", autouse=True)
def high_limits() -> None:
    """All tests share an address, and ask for more than one caller may."""
    for name in ("API_REFUSALS", "API_REQUESTS", "QUOTE_REQUESTS"):
        setattr(django_settings, f"{name}_A_MINUTE", 1_000_000)
    django_settings.LOGIN = dict.fromkeys(django_settings.LOGIN, 1_000_000)


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> None:
    """Passwords are hashed as in production, so that any process knows them, but once."""
    django_settings.PASSWORD_HASHERS = ["tests.hashing.OneRound"]


@pytest.fixture(scope="session", autouse=True)
def confirmed_users() -> Iterator[None]:
    """Users whom tests log in by force have just confirmed who they are, too."""
    log_in = Client.force_login

    def log_in_and_confirm(client: Client, user: Any, backend: Any = None) -> None:
        log_in(client, user, backend)
        session = client.session
        session["account_authentication_methods_user"] = str(user.pk)
        session["account_authentication_methods"] = [
            {"method": "password", "at": time.time(), "reauthenticated": True}
        ]
        session.save()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "force_login", log_in_and_confirm)
        yield


@pytest.fixture(scope="session", autouse=True)
def static_files_listed_once() -> Iterator[None]:
    """Every test client starts the middlewares, and WhiteNoise lists all static files."""
    listed: dict[str, Any] = {}
    look = WhiteNoiseMiddleware.add_files_from_finders

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if not listed:
            look(middleware)
            listed.update(middleware.files)
        middleware.files.update(listed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(scope="module")
def module_rows(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Rows made with it are there for each test of the module, which undoes its own.

    Not for modules with tests on a `fresh_database`: they end the session.
    """
    with django_db_blocker.unblock(), rolled_back():
        yield


@pytest.fixture(scope="module")
def issued_at_once() -> Iterator[None]:
    """Drafts are issued without a review."""
    at_once = {**django_settings.BILLING, "REVIEW_WINDOW": None}
    with override_settings(BILLING=at_once):
        yield


@pytest.fixture(scope="class")
def everything(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """The rows of tests/everything.py, made once for a class; each test undoes its own."""
    with django_db_blocker.unblock(), rolled_back(), override_settings():
        make_everything(django_settings)
        yield


@pytest.fixture
def beginning(db: None) -> World:
    """A small downline at the start of its history; made once for many histories."""
    return World().begin()


@pytest.fixture
def run_in_threads() -> Callable[..., list[Any]]:
    """Call functions at once, each in a thread with a connection of its own.

    Gives results in order; a refusal or error is given in place of a result.
    """

    def run(*functions: Callable[[], Any]) -> list[Any]:
        barrier = threading.Barrier(len(functions))

        def call(function: Callable[[], Any]) -> Any:
            try:
                connections["default"].ensure_connection()
                barrier.wait(timeout=30)
                return function()
            except Exception as error:
                return error
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(functions)) as pool:
            return list(pool.map(call, functions))

    return run


@contextmanager
def new_broker() -> Iterator[str]:
    """A broker in a folder with a name short enough for a socket."""
    with (
        TemporaryDirectory(prefix="dialer-") as folder,
        running_broker(Path(folder)) as url,
    ):
        yield url


@pytest.fixture
def broker() -> Iterator[str]:
    """A broker of the test's own."""
    with new_broker() as url:
        yield url


@pytest.fixture(scope="module")
def module_broker() -> Iterator[str]:
    """A broker for the tests of a module."""
    with new_broker() as url:
        yield url


@pytest.fixture
def worker(
    fresh_database: FreshDatabase, broker: str, tmp_path: Path
) -> Iterator[Callable[..., Worker]]:
    """Start real workers on the test's database and broker."""
    started: list[Worker] = []

    def start(
        app: str = "config", queues: str = ALL_QUEUES, **environment: str
    ) -> Worker:
        log = tmp_path / f"worker-{len(started)}.log"
        settings = {
            **fresh_database.environment,
            "REDIS_URL": broker,
            "BILLING_REVIEW_SECONDS": "0",
            **environment,
        }
        started.append(start_worker(settings, log, app=app, queues=queues))
        return started[-1]

    yield start
    for process in started:
        process.kill()


SCHEDULE_SPEED = 8  # a minute of the schedule is 7.5 seconds


@pytest.fixture
def beat(
    fresh_database: FreshDatabase, broker: str, tmp_path: Path
) -> Iterator[Callable[..., Worker]]:
    """Start the real scheduler on the test's broker, with the real table, only faster."""
    started: list[Worker] = []

    def start(speed: float = SCHEDULE_SPEED) -> Worker:
        settings = {
            **fresh_database.environment,
            "REDIS_URL": broker,
            "SCHEDULE_SPEED": str(speed),
        }
        started.append(start_beat(settings, tmp_path / f"beat-{len(started)}.log"))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def documents_folder(settings, tmp_path):
    """The folder of the test that files of documents are stored in."""
    folder = tmp_path / "documents"
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": folder},
    }
    settings.STORAGES = {**settings.STORAGES, "documents": storage}
    return folder
