"""Empties the database for the demo."""

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.db.utils import ProgrammingError

from billing.management.demo.cast import DEMO_CODES
from core.parsing.values import shown
from seats.models import Agency


def start_clean() -> None:
    """Empty the embedded database if it holds nothing but a demo.

    Raises CommandError for another database, or one with other agencies.
    """
    default = connections["default"]
    if not default.settings_dict["OPTIONS"].get("embedded"):
        raise CommandError(
            "demo_needs_embedded: The demo deletes all data, so it runs only in the"
            " embedded database. Unset DATABASE_URL."
        )
    try:
        others = set(Agency.objects.values_list("code", flat=True)) - DEMO_CODES
    except ProgrammingError:  # no tables yet
        others = set()
    if others:
        raise CommandError(
            f"not_a_demo: The database has the agency {shown(min(others))}, which is not"
            " part of the demo. The demo would delete it."
        )
    default.close()
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        cursor.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    call_command("migrate", database="owner", verbosity=0)
    call_command("publish_default_prices", verbosity=0, stdout=_NullOutput())


class _NullOutput:
    """An output that drops what is written to it."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """There is no buffer to flush."""
