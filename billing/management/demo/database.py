"""A clean database for the demo."""

from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.db.utils import ProgrammingError

from billing.management.demo.cast import CODES
from seats.models import Agency


def start_clean() -> None:
    """Empty the checkout's own database, if nothing but a demo is in it.

    Raises CommandError for a database of somebody's own.
    """
    default = connections["default"]
    if not default.settings_dict["OPTIONS"].get("embedded"):
        raise CommandError(
            "demo_needs_embedded: the demo starts clean, so it runs only in the"
            " embedded database; unset DATABASE_URL."
        )
    try:
        others = set(Agency.objects.values_list("code", flat=True)) - CODES
    except ProgrammingError:  # no tables yet
        others = set()
    if others:
        raise CommandError(
            f"not_a_demo: the database holds {min(others)}, which is not the demo's;"
            " the demo would delete it."
        )
    default.close()
    with connections["owner"].cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        cursor.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    call_command("migrate", database="owner", verbosity=0)
    call_command("publish_default_prices", verbosity=0, stdout=_Nowhere())


class _Nowhere:
    """Takes what a command prints and drops it."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""
