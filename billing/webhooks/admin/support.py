"""The webhook endpoints of an agency, on its page for staff."""

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.http import HttpRequest

from billing.webhooks.models import Delivery, WebhookEndpoint
from core.admin.panels import Panel, Table
from core.admin.today import MOST
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)


@AGENCY.panel("endpoints", order=510, permission="billing.view_webhookendpoint")
def endpoints_panel(request: HttpRequest, code: str) -> Panel:
    """Its endpoints, whether each works, and how many events wait for it."""
    agency = shown_agency(request, code)
    pending = Delivery.objects.filter(
        endpoint=OuterRef("pk"), state__in=Delivery.queue.unfinished
    )
    waiting = ArraySubquery(pending.order_by().values("pk")[: MOST + 1])
    endpoints = WebhookEndpoint.objects.filter(agency=agency, deleted_at=None)
    rows = [
        [
            row_link("billing_webhookendpoint", endpoint),
            endpoint.get_state_display(),
            endpoint.failing_since or "works",
            f"{MOST}+" if len(endpoint.waiting) > MOST else len(endpoint.waiting),
            endpoint.reason,
        ]
        for endpoint in first_rows(endpoints.annotate(waiting=waiting).order_by("pk"))
    ]
    return Panel(
        key="endpoints",
        title="Webhook endpoints",
        table=Table(
            ["Endpoint", "State", "Failing since", "Events waiting", "Reason"],
            rows,
            empty="It has no endpoint.",
        ),
        links=[list_for("All endpoints", "billing_webhookendpoint", "agency", agency)],
        is_wide=True,
    )
