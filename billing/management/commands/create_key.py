"""Create an API key and print it."""

from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.agencies import find_agency
from core.errors import Refusal
from core.parsing import values
from core.periods import zone_on
from core.scopes import api_scopes
from seats.agencies.queries.agencies import zones_of
from seats.api_keys.services import create_key
from seats.models import Agency


class Command(BaseCommand):
    help = "Create an API key and print it. It cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        reach = parser.add_mutually_exclusive_group(required=True)
        reach.add_argument(
            "--agency",
            metavar="CODE",
            help="the key reaches this agency and its downline",
        )
        reach.add_argument(
            "--platform", action="store_true", help="the key reaches every agency"
        )
        parser.add_argument(
            "--scope",
            nargs="+",
            action="extend",
            required=True,
            choices=list(api_scopes()),
            help="what the key may do; one or more, and the option may be repeated",
        )
        parser.add_argument(
            "--label", default="", help="a name for the list of keys in the admin"
        )
        parser.add_argument(
            "--expires",
            metavar="WHEN",
            help=(
                "when the key stops working: a date, such as 2027-01-31, means the"
                " start of that day in the agency's time zone (UTC with --platform);"
                " an instant has an offset, such as 2027-01-31T18:00:00-05:00;"
                " without it the key works until it is revoked"
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now, code = timezone.now(), options["agency"]
        agency = find_agency(code) if code else None
        try:
            _, token = create_key(
                agency=agency,
                scopes=options["scope"],
                label=options["label"],
                actor="command create_key",
                now=now,
                expires_at=_expiry(options["expires"], agency),
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.message}") from refusal
        self.stdout.write(token)


def _expiry(text: str | None, agency: Agency | None) -> datetime | None:
    """The instant at which the key ends, in UTC. Raises CommandError."""
    try:
        return None if text is None else _instant_of(text, agency)
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"bad_time: --expires is {text!r}. Use a date, such as 2027-01-31, or an"
            " instant with its offset, such as 2027-01-31T18:00:00-05:00."
        ) from error


def _instant_of(text: str, agency: Agency | None) -> datetime:
    """A date or an instant as an instant. Raises ValueError, OverflowError."""
    if values.DATE.fullmatch(text):
        return _start_of(values.parse_date(text), agency)
    instant = values.parse_instant(text)
    if instant.tzinfo is None:
        raise ValueError("An instant needs an offset.")
    return instant.astimezone(UTC)


def _start_of(day: date, agency: Agency | None) -> datetime:
    """The first instant of a date where the agency is; of UTC for the platform."""
    zone = zone_on(zones_of([agency.pk])[agency.pk], day) if agency else "UTC"
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
