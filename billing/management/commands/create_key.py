"""Make an API key and print it, this once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.management.agencies import find_agency
from seats.errors import Refusal
from seats.keys.models import ApiKey
from seats.keys.services import create_key


class Command(BaseCommand):
    help = "Make an API key; it is printed once and never again."

    def add_arguments(self, parser: CommandParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--agency", metavar="CODE", help="and its downline")
        whose.add_argument("--platform", action="store_true", help="every agency")
        scopes = [str(scope) for scope in ApiKey.Scope]
        parser.add_argument("--scope", nargs="+", required=True, choices=scopes)
        parser.add_argument("--label", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        code = options["agency"]
        try:
            _, token = create_key(
                agency=find_agency(code) if code else None,
                scopes=options["scope"],
                label=options["label"],
                actor="command create_key",
                now=timezone.now(),
            )
        except Refusal as refusal:
            raise CommandError(f"{refusal.code}: {refusal.message}") from refusal
        self.stdout.write(token)
