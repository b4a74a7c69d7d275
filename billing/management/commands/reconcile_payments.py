"""Compare a processor's payments of a day with the recorded ones and the ledger."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from billing.collection.services.dispatch import Connect
from billing.collection.services.reconciliation import (
    ProcessorComparison,
    reconcile_day,
)
from billing.management.months import parse_day
from billing.processors.domain.port import Unreachable
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import connect
from core.errors import Refusal
from core.parsing.values import shown

CANNOT_COMPARE_EXIT = 2
LINE = "{:<18}{:<9}{:<32}{:>16}{:>16}"


class Command(BaseCommand):
    help = (
        "Compare the payments of a processor on a day with the recorded ones and the"
        " ledger. Exits with 0 if they are equal, 1 if they differ, 2 if they cannot be"
        " compared."
    )
    connect: Connect = staticmethod(connect)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--processor",
            required=True,
            metavar="CODE",
            help="the code of the payment processor",
        )
        parser.add_argument(
            "--day",
            required=True,
            type=parse_day,
            help="the day in UTC, such as 2026-10-31; it must be over",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object instead of lines"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["day"] >= timezone.now().date():
            message = (
                f"day_not_over: {options['day']} is not over in UTC. Choose an earlier"
                " day."
            )
            raise CommandError(message, returncode=CANNOT_COMPARE_EXIT)
        try:
            processor = PaymentProcessor.objects.get(code=options["processor"])
            comparison = reconcile_day(
                processor=processor, day=options["day"], connect=self.connect
            )
        except PaymentProcessor.DoesNotExist as error:
            message = f"not_found: There is no processor {shown(options['processor'])}."
            raise CommandError(message, returncode=CANNOT_COMPARE_EXIT) from error
        except Refusal as refusal:
            message = f"{refusal.code}: {refusal.message}"
            raise CommandError(message, returncode=CANNOT_COMPARE_EXIT) from refusal
        except Unreachable as error:
            raise CommandError(
                f"unreachable: {error}", returncode=CANNOT_COMPARE_EXIT
            ) from error
        self.show(comparison, as_json=options["json"])
        if comparison.differences:
            raise SystemExit(1)

    def show(self, comparison: ProcessorComparison, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(_json_of(comparison)))
            return
        if comparison.differences:
            head = ("difference", "type", "reference", "recorded", "reported")
            self.stdout.write(LINE.format(*head))
        for difference in comparison.differences:
            cells = (
                difference.kind,
                difference.object_type,
                difference.reference,
                difference.recorded,
                difference.reported,
            )
            self.stdout.write(LINE.format(*cells))
        self.stdout.write(
            f"{comparison.compared} compared, {len(comparison.differences)} differences"
        )


def _json_of(comparison: ProcessorComparison) -> dict[str, Any]:
    """The documented JSON form: `recorded` is the amount here, `reported` the processor's."""
    differences = [
        {
            "kind": difference.kind,
            "object_type": difference.object_type,
            "reference": difference.reference,
            "recorded": difference.recorded,
            "reported": difference.reported,
        }
        for difference in comparison.differences
    ]
    return {
        "processor": comparison.processor,
        "day": comparison.day.isoformat(),
        "compared": comparison.compared,
        "differences": differences,
    }
