"""Price scenarios from standard input, without the database's usage."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing.pricing.domain.quoting import quote
from billing.pricing.domain.scenarios import MAX_LINE_BYTES, decode_scenario, error_body
from billing.pricing.queries import published_price_list
from core.errors import Refusal
from core.parsing.lines import bounded_lines


class Command(BaseCommand):
    help = (
        "Read one JSON scenario per line from standard input and print one bill as JSON"
        " per line. Exits with 2 if a scenario is refused."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refused = False
        for line in bounded_lines(sys.stdin.buffer, MAX_LINE_BYTES):
            if line is not None and not line.strip():
                continue
            try:
                bill: Any = quote(decode_scenario(line), published_price_list)
            except Refusal as refusal:
                bill, refused = error_body(refusal), True
            self.stdout.write(json.dumps(bill))
            self.stdout.flush()
        if refused:
            raise SystemExit(2)
