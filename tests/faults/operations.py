"""The commands and the SQL of docs/operations.md, run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import psycopg

from tests.postgres import Server

ROOT = Path(__file__).resolve().parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"


def block_of(name: str) -> str:
    """The fenced block of the documentation that is marked with a name."""
    pattern = rf"^ *```\w+ {name}\n(.+?)\n *```"
    text = OPERATIONS.read_text()
    (block,) = re.findall(pattern, text, re.DOTALL | re.MULTILINE)
    return dedent(str(block))


def sql_of(server: Server, name: str) -> None:
    """Run a block of SQL as the superuser, each statement by itself."""
    statements = block_of(name).split(";\n")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.rstrip().rstrip(";").encode())


def attempt(
    environment: dict[str, str], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command of the service, however it ends."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def manage(environment: dict[str, str], *arguments: str) -> str:
    """Run a command of the service, which must succeed; what it printed."""
    answer = attempt(environment, *arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout
