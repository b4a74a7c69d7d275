"""A one-line message for each event, with dates in the time zone of its agency. Pure.

The events themselves say it, with fields of the payload in braces. An event without the
fields that its message names is described by its catalogue entry.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.webhooks.domain.catalogue import catalogue
from core.money import UnknownCurrency, money_text
from core.periods import ZonePeriod, local_date
from core.webhook_events import event_types

AMOUNTS = {"amount", "total", "seat_price"}
MONTHS = {"month"}
RESULTS = {
    "declined_hard": "permanently declined",
    "declined_soft": "temporarily declined",
    "failed": "failed",
}


def event_message(
    kind: str, payload: Mapping[str, Any], zones: Sequence[ZonePeriod]
) -> str:
    """One line about an event; instants are shown as local dates in these zones."""
    fields = {
        name: _text(name, value, payload, zones) for name, value in payload.items()
    }
    event = event_types().get(kind)
    if event is None:
        return kind
    try:
        line = event.message_for(payload).format_map(fields)
    except KeyError:
        return catalogue()[kind].description
    return " ".join(line.split())


def _text(
    name: str, value: Any, payload: Mapping[str, Any], zones: Sequence[ZonePeriod]
) -> str:
    if value in (None, ""):
        return "" if name in {"note", "reason", "label"} else "-"
    if name in AMOUNTS:
        return _money(str(value), str(payload.get("currency", "")))
    if not isinstance(value, str):
        return str(value)
    if name == "result":
        return RESULTS.get(value, value)
    try:
        if name.endswith("_at"):
            return local_date(datetime.fromisoformat(value), zones).isoformat()
        day = date.fromisoformat(value)
    except ValueError:
        return value
    return f"{day:%Y-%m}" if name in MONTHS else day.isoformat()


def _money(amount: str, currency: str) -> str:
    try:
        return f"{money_text(Decimal(amount), currency)} {currency}"
    except (InvalidOperation, UnknownCurrency):
        return amount
