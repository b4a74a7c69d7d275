"""End webhook endpoints that an upline set up for an agency it no longer reaches."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.webhooks.domain.webhook_events import AccessEnded
from billing.webhooks.models import WebhookEndpoint
from billing.webhooks.services.outbox import publish
from seats.access.queries import lock_out_of_reach
from seats.models import Agency

State = WebhookEndpoint.State
REASON = "Its agency is no longer in the downline of the agency that added it."


def end_endpoints(
    *, now: datetime, agency_ids: Collection[int] | None = None
) -> list[int]:
    """End endpoints whose owner does not reach their agency at `now`; return their ids.

    Looks at the endpoints of these agencies, or of all. An ended endpoint has no secret,
    is sent nothing, and does not resume if the agency returns to the owner's downline.
    Both agencies get `access.ended`. Safe to repeat.
    """
    rows = WebhookEndpoint.objects.filter(deleted_at=None).exclude(state=State.ENDED)
    if agency_ids is not None:
        rows = rows.filter(agency__in=agency_ids)
    with transaction.atomic():
        ended = lock_out_of_reach(rows, now=now)
        for endpoint in ended:
            endpoint.state = State.ENDED
            endpoint.reason = REASON
            endpoint.sealed_secret = endpoint.sealed_previous = ""
            endpoint.previous_until = None
        WebhookEndpoint.objects.bulk_update(
            ended,
            ["state", "reason", "sealed_secret", "sealed_previous", "previous_until"],
        )
        publish(*(event for row in ended for event in _events(row)), now=now)
    return [endpoint.pk for endpoint in ended]


def _events(endpoint: WebhookEndpoint) -> list[AccessEnded]:
    agency, owner = endpoint.agency, endpoint.owner
    assert agency
    assert owner
    return access_ended(
        "webhook_endpoint", endpoint.public_id, agency=agency, owner=owner
    )


def access_ended(
    kind: str, public_id: UUID, *, agency: Agency, owner: Agency
) -> list[AccessEnded]:
    """The `access.ended` events for the agency and for its former upline.

    `kind` and `public_id` name the object that ended, such as "webhook_endpoint".
    """
    return [
        AccessEnded(
            agency_id=receiver.pk,
            subject=f"{kind}:{public_id}",
            object=kind,
            id=public_id,
            agency=agency.code,
            owner=owner.code,
        )
        for receiver in (agency, owner)
    ]
