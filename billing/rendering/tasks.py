"""Sweeps of files."""

from typing import Any

from celery import shared_task
from django.utils import timezone

from billing.rendering.services.files import render_due


@shared_task(name="documents.render_due")
def render_due_files(**_newer: Any) -> None:
    """Beat, every few seconds: make the files of documents."""
    render_due(clock=timezone.now)
