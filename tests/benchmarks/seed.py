"""Empty the embedded database and fill it with a large platform, to look around in it.

python -m tests.benchmarks.seed, then `make run`. It takes minutes, and prints log-ins.
"""

import os
import secrets
import sys
from datetime import UTC, datetime

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from billing.management.demo.database import start_clean
from tests.benchmarks.platform import make_platform, make_readers


def main() -> None:
    """Make the platform, and a log-in for staff and two owners."""
    now = datetime.now(UTC)
    start_clean()
    make_platform(now.date())
    password = secrets.token_urlsafe(9)
    for user in make_readers(now=now).values():
        user.set_password(password)
        user.save()
        sys.stdout.write(f"{user.email:<24} {password}\n")


main()
