"""The system checks, run as an operator runs them: by a command in a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import checks
from tests.postgres import as_user

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "SECRET_KEY": "a long and random text of fifty characters or more, ok?",
    "WEBHOOK_SECRETS_KEY": "another long and random text",
}


def run_check(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What `manage.py check` says with exactly these variables set."""
    names = {"DATABASE_URL", "DATABASE_OWNER_URL", *SECRETS}
    inherited = {name: text for name, text in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--database", "default", *options],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestCheckCommand:
    def test_accepts_a_database_with_a_role_of_its_own(self, fresh_database):
        answer = run_check(**fresh_database.environment, **SECRETS)

        assert (answer.returncode, answer.stderr) == (0, "")
        assert "no issues" in answer.stdout

    def test_has_nothing_to_say_behind_tls(self, fresh_database):
        answer = run_check(
            "--deploy", "--fail-level", "WARNING",
            **fresh_database.environment, **SECRETS, HTTPS="1",
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


class TestCheckDatabases:
    @pytest.mark.django_db
    def test_refuses_an_older_server(self, monkeypatch):
        monkeypatch.setattr(checks, "POSTGRES", 99)

        assert [problem.id for problem in checks.problems_of("default")] == [
            "config.E001"
        ]


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
            timeout=60,
            check=False,
        )
        names = [name for name in dir(checks) if name.startswith("check_")]

        assert answer.stdout.strip() == str(names), answer.stderr
