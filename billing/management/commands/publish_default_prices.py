"""Create the default meters and publish the default price list."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.months import parse_month
from billing.pricing.services import publish_default_prices
from core.errors import Refusal


class Command(BaseCommand):
    help = "Create the default meters and publish the default price list. Repeatable."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--starts",
            type=parse_month,
            default="2026-01",
            metavar="YYYY-MM",
            help="the first month of the price list (default: 2026-01)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            price_list = publish_default_prices(
                starts_on=options["starts"], now=timezone.now()
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(
            f"{price_list.code}: {price_list.seat_price:f} {price_list.currency}"
            f" per seat, {price_list.rates.count()} meters"
        )
