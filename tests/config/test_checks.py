"""The system checks, run as an operator runs them: by a command in a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import checks
from config.services import places
from tests.postgres import as_user

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300  # a deadline for a machine that is busy with other things
SECRETS = {
    "SECRET_KEY": "a long and random text of fifty characters or more, ok?",
    "WEBHOOK_SECRETS_KEY": "another long and random text",
}


pytestmark = pytest.mark.timeout(SECONDS + 60)


def run_check(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What `manage.py check` says with exactly these variables set."""
    names = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", *SECRETS}
    inherited = {name: text for name, text in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default", *options],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


class TestCheckCommand:
    def test_accepts_a_database_with_a_role_of_its_own(self, fresh_database):
        answer = run_check(**fresh_database.environment, **SECRETS)

        assert (answer.returncode, answer.stderr) == (0, "")
        assert "no issues" in answer.stdout

    def test_has_nothing_to_say_behind_tls(self, fresh_database):
        mandatory = {**fresh_database.environment, "MFA_MANDATORY": ""}  # as unless set
        answer = run_check(
            "--deploy", "--fail-level", "WARNING",
            **mandatory, **SECRETS, HTTPS="1",
        )  # fmt: skip

        assert (answer.returncode, answer.stderr) == (0, "")

    @pytest.mark.parametrize("role", ["postgres", "dialer_owner"])
    def test_refuses_a_role_that_could_tamper(self, fresh_database, role):
        environment = dict(fresh_database.environment)
        environment["DATABASE_URL"] = as_user(environment["DATABASE_URL"], role)

        answer = run_check(**environment, **SECRETS)

        assert answer.returncode == 1
        assert "config.E002" in answer.stderr

    def test_refuses_one_database_without_the_other(self, fresh_database):
        url = fresh_database.environment["DATABASE_URL"]

        answer = run_check(DATABASE_URL=url, **SECRETS)

        assert answer.returncode == 1
        assert "config.E003" in answer.stderr

    def test_refuses_a_shared_database_without_shared_secrets(self, fresh_database):
        answer = run_check(**fresh_database.environment)

        assert answer.returncode == 1
        assert "config.E004" in answer.stderr
        assert "config.E005" in answer.stderr
        assert "Traceback" not in answer.stderr

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"WEBHOOK_SECRETS_KEY": "short"}, "config.E004"),
            ({"WEBHOOK_SECRETS_KEY": f"{SECRETS['SECRET_KEY']},"}, "config.E004"),
            ({"REDIS_URL": "redis://:secret@127.0.0.1:1/0"}, "config.E009"),
            ({"REDIS_URL": "the usual place, secret"}, "config.E009"),
            ({"BILLING_ARCHIVE_ROOT": "/nonexistent/archive"}, "config.E010"),
            ({"BILLING_ARCHIVE_ROOT": __file__}, "config.E010"),
        ],
    )
    def test_names_what_is_set_wrongly(self, fresh_database, changes, expected):
        answer = run_check(**{**fresh_database.environment, **SECRETS, **changes})

        assert answer.returncode == 1
        assert expected in answer.stderr
        assert "identified 1 issue" in answer.stderr
        assert "Traceback" not in answer.stderr
        assert "secret" not in answer.stderr

    @pytest.mark.parametrize("name", ["0002_sql", "0003_call_legs_sql"])
    def test_names_the_migrations_that_are_missing(
        self, fresh_database, owner_cursor, name
    ):
        owner_cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'billing' AND name = %s", [name]
        )

        answer = run_check(**fresh_database.environment, **SECRETS)

        assert answer.returncode == 1
        assert (
            f"(config.E008) The database lacks 1 migration: billing.{name}."
            in answer.stderr
        )

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"DATABASE_URL": "at home, secret"}, "DATABASE_URL cannot be read"),
            ({"DATABASE_URL": "mysql://a:secret@b/c"}, "DATABASE_URL is not the URL of"),
            ({"DATABASE_OWNER_URL": "postgresql://a:secret@b:port/c"},
             "DATABASE_OWNER_URL cannot be read"),
            ({"BILLING_CLOSE_CHUNK": "many"}, "BILLING_CLOSE_CHUNK is 'many'"),
            ({"BILLING_CLOSE_LEASE_SECONDS": "-5"}, "BILLING_CLOSE_LEASE_SECONDS is '-5'"),
            ({"MAIL_LEASE_SECONDS": "nan"}, "MAIL_LEASE_SECONDS is 'nan'"),
            ({"BILLING_GRACE_SECONDS": "1e99"}, "BILLING_GRACE_SECONDS is '1e99'"),
            ({"DUNNING_RETRY_DAYS": "3,five"}, "DUNNING_RETRY_DAYS is 'five'"),
        ],
    )  # fmt: skip
    def test_names_a_variable_that_cannot_be_read(self, changes, expected):
        answer = run_check(**SECRETS, **changes)

        (line,) = answer.stderr.splitlines()
        assert answer.returncode == 1
        assert line.startswith(f"The settings are wrong: config.E006: {expected}")
        assert "secret" not in line

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("postgresql://dialer_app:secret@127.0.0.1:1/dialer", "Connection refused"),
            (
                "postgresql://dialer_app:secret@nowhere.invalid/dialer",
                "nowhere.invalid",
            ),
        ],
    )
    def test_says_that_the_database_cannot_be_reached(self, url, reason):
        answer = run_check(**SECRETS, DATABASE_URL=url, DATABASE_OWNER_URL=url)

        (line,) = answer.stderr.splitlines()
        assert answer.returncode == 1
        assert line.startswith("The database cannot be reached: ")
        assert reason in line
        assert line.endswith("(config.E007)")
        assert "secret" not in line


class TestLocalFolder:
    def test_that_cannot_be_used_is_named(self, tmp_path, monkeypatch):
        """Where secrets are unset and the checkout belongs to somebody else."""
        taken = tmp_path / ".local"
        taken.touch()
        monkeypatch.setattr(places, "LOCAL", taken)

        for use in (places.local_secret_key, lambda: next(iter(starter()))):
            with pytest.raises(places.ServiceUnavailable, match=r"config\.E011"):
                use()


def starter():
    with places.one_starter("test"):
        yield


class TestCheckDatabases:
    @pytest.mark.django_db
    def test_refuses_an_older_server(self, monkeypatch):
        monkeypatch.setattr(checks, "POSTGRES", 99)

        assert [problem.id for problem in checks.problems_of("default")] == [
            "config.E001"
        ]


class TestRoles:
    """The roles of row level security; the server's own are as they should be."""

    def test_are_complete(self, db):
        assert checks.role_problems("default") == []

    @pytest.mark.parametrize(
        ("member", "statements"),
        [
            (
                "nobody_here",
                ["CREATE ROLE nobody_here NOLOGIN;", "GRANT nobody_here TO"],
            ),
            ("dialer_owner", ["GRANT dialer_owner TO"]),
            ("postgres", ["CREATE ROLE postgres", "GRANT postgres TO"]),
        ],
    )
    def test_that_are_missing_or_see_everything_are_named(
        self, db, settings, member, statements
    ):
        settings.MEMBER_ROLE = member

        (problem,) = checks.role_problems("default")

        assert problem.id == "config.E018"
        hint = str(problem.hint)
        assert [text for text in statements if text not in hint] == []
        assert "BYPASSRLS" not in hint

    def test_keep_migrations_from_a_server_without_them(self, fresh_database):
        environment = {
            **fresh_database.environment,
            "DATABASE_MEMBER_ROLE": "nobody_here",
        }

        answer = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--database", "owner"],
            cwd=ROOT, env={**os.environ, **environment, **SECRETS},
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip

        assert answer.returncode == 1
        assert "config.E018" in answer.stderr
        assert "CREATE ROLE nobody_here NOLOGIN;" in answer.stderr


class TestRegistration:
    def test_needs_no_import_of_the_urls(self):
        """Whatever registers itself does so in `ready`, before any door is used."""
        script = (
            "import django, sys; django.setup();"
            "from django.core.checks.registry import registry;"
            "assert 'config.urls' not in sys.modules;"
            "print(sorted(c.__name__ for c in registry.get_checks(True)"
            " if c.__module__ == 'config.checks'))"
        )
        answer = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        names = [name for name in dir(checks) if name.startswith("check_")]

        assert answer.stdout.strip() == str(names), answer.stderr
