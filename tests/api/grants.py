"""An old upline, a new one, and an agency that moves, for tests of what then ends."""

from datetime import date

from billing.webhooks.models import OutboxEvent
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.fanout import fan_out_due
from seats.agencies.services import set_upline
from tests.api.conftest import NOW

ENDPOINTS, EVENTS = "/api/v1/webhook-endpoints", "/api/v1/webhook-events"
BUDGETS, METHODS = "/api/v1/budgets", "/api/v1/payment-methods"
BACK = {"return_url": "https://agency.example.com/paid"}
TODAY = date(2026, 3, 31)  # in New York, at NOW


def move(tree, upline=1, on=TODAY):
    set_upline(agency=tree[2], upline=tree[upline], on=on, now=NOW, actor="test")


def clock():
    return NOW


def post(client, path, **body):
    answer = client.post(path, body, content_type="application/json")
    assert answer.status_code < 300, answer.content
    return answer.json()


def ended_of(agency):
    rows = OutboxEvent.objects.filter(type="access.ended", stream__agency=agency)
    return [
        (row.payload["object"], row.payload["id"], row.payload["agency"])
        for row in rows.order_by("pk")
    ]


def sweep(now=NOW):
    fan_out_due(now=now)
    return deliver_due(clock=lambda: now)
