"""The API keys of an agency, on its page for staff."""

from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone

from core.admin.panels import Panel, Table
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)
from seats.api_keys.models import ApiKey


@AGENCY.panel("keys", order=500, permission="seats.view_apikey")
def keys_panel(request: HttpRequest, code: str) -> Panel:
    """The newest keys: what each may do, until when, and when it was used last."""
    agency = shown_agency(request, code)
    now = timezone.now()
    rows = [
        [
            row_link("seats_apikey", key),
            ", ".join(key.scopes),
            _state(key, now),
            key.last_used_at or "never",
        ]
        for key in first_rows(ApiKey.objects.filter(agency=agency))
    ]
    return Panel(
        key="keys",
        title="API keys",
        table=Table(
            ["Key", "May", "State", "Last used"], rows, empty="It has no API key."
        ),
        links=[list_for("All keys", "seats_apikey", "agency", agency)],
    )


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at:
        return f"revoked on {key.revoked_at:%Y-%m-%d}"
    if key.expires_at is None:
        return "valid"
    word = "valid until" if key.expires_at > now else "expired on"
    return f"{word} {key.expires_at:%Y-%m-%d}"
