"""Serve the payment processor of the demo; `make run` starts it after `make demo`."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing.management.demo.processor import CODE, serve
from billing.processors.models import PaymentProcessor


class Command(BaseCommand):
    help = "Serve the payment processor of the demo on 127.0.0.1. No money moves."

    def handle(self, *args: Any, **options: Any) -> None:
        if not PaymentProcessor.objects.filter(code=CODE).exists():
            raise CommandError("There is no demo processor. Run `make demo` first.")
        port = os.environ.get("PORT", "8000")
        serve(
            f"http://127.0.0.1:{port}/api/v1/processors/{CODE}/webhook",
            clock=timezone.now,
        )
