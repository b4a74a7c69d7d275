"""Load the default meters and the default price list."""

from datetime import date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.pricing.services import publish_default_prices
from seats.errors import Refusal


class Command(BaseCommand):
    help = "Publish the default price list; harmless to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--starts", default="2026-01", metavar="YYYY-MM", help="its first month"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            starts_on = parse_month(options["starts"])
            price_list = publish_default_prices(starts_on=starts_on, now=timezone.now())
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(
            f"{price_list.code}: {price_list.seat_price:f} {price_list.currency}"
            f" a seat, {price_list.rates.count()} meters"
        )


def parse_month(text: str) -> date:
    """The first day of a month written 2026-10."""
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007
    except ValueError as error:
        raise CommandError(f"{text!r} is no month; write it as 2026-10.") from error
