"""What the history page of a row says of an action."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.http import HttpRequest

from core.admin.acting import acting_staff


def details_of(data: dict[str, Any], form: forms.Form) -> str:
    """What was filled in beside the reason, without secrets."""
    parts = [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in data.items()
        if name != "reason"
        and value not in ("", None)
        and not isinstance(form.fields[name].widget, forms.PasswordInput)
    ]
    return f" ({', '.join(parts)})" if parts else ""


def record_action(request: HttpRequest, rows: Sequence[Model], entry: str) -> None:
    """Record who did what and why on the history page of each row."""
    actor, acting = request.user.pk, acting_staff(request)
    if acting is not None:  # whoever acts as a member did it, and not the member
        actor, entry = acting, f"As {request.user}: {entry}"
    if rows and actor is not None:
        LogEntry.objects.log_actions(actor, rows, CHANGE, entry)
