"""Price scenarios from standard input."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from billing.pricing.queries import published_price_list
from billing.pricing.quoting import quote
from billing.pricing.scenarios import MAX_LINE_BYTES, decode_scenario, error_body
from seats.errors import Refusal
from seats.parsing.lines import bounded_lines


class Command(BaseCommand):
    help = "One JSON scenario a line in, one bill as JSON a line out."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        refused = False
        for line in bounded_lines(sys.stdin.buffer, MAX_LINE_BYTES):
            if line is not None and not line.strip():
                continue
            try:
                answer: Any = quote(decode_scenario(line), published_price_list)
            except Refusal as refusal:
                answer, refused = error_body(refusal), True
            self.stdout.write(json.dumps(answer))
            self.stdout.flush()
        if refused:
            raise SystemExit(2)
