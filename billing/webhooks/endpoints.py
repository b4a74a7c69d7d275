"""What people do to endpoints: add, change, rotate, pause, resume, delete, test."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.webhooks.addresses import AddressPolicy, NotAllowed, check_url
from billing.webhooks.catalogue import CATALOGUE, PAUSED, TEST
from billing.webhooks.models import Delivery, WebhookEndpoint
from billing.webhooks.services import PLATFORM, NewEvent, publish
from billing.webhooks.signing import new_secret, seal, unseal
from seats.errors import Refusal
from seats.locks import lock_name
from seats.models import Agency

State = WebhookEndpoint.State
MOST_ENDPOINTS = 20
# Whether an endpoint is told of an event: a test of its own, or a type it chose.
WANTS = f"""
    CASE WHEN event.type = '{TEST}'
         THEN endpoint.public_id = (event.payload ->> 'endpoint')::uuid
         ELSE endpoint.event_types = '{{}}'
              OR event.type = ANY(endpoint.event_types) END
"""


class BadUrl(Refusal):
    code = "bad_url"


class UnknownEventType(Refusal):
    code = "unknown_event_type"


class TooManyEndpoints(Refusal):
    code = "too_many_endpoints"


class EndpointNotEnabled(Refusal):
    code = "endpoint_not_enabled"


class EndpointDeleted(Refusal):
    code = "endpoint_deleted"


class EndpointEnded(Refusal):
    code = "endpoint_ended"


def address_policy() -> AddressPolicy:
    """Where endpoints may be, as the operator set it."""
    chosen = settings.WEBHOOKS
    return AddressPolicy(frozenset(chosen["PORTS"]), chosen["ALLOW_LOOPBACK"])


def add_endpoint(
    *,
    agency: Agency | None,
    url: str,
    actor: str,
    now: datetime,
    owner: Agency | None = None,
    event_types: Collection[str] = (),
    description: str = "",
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint of an agency, or of the platform, and its secret, shown only here.

    It gets events that are handed out from now on. It ends once the `owner`, the agency
    that adds it, no longer reaches the agency; without an owner it does not end. Raises
    BadUrl, UnknownEventType, TooManyEndpoints.
    """
    _require_url(url)
    secret = new_secret()
    with transaction.atomic():
        _require_room(agency)
        endpoint = WebhookEndpoint.objects.create(
            agency=agency,
            owner=owner,
            url=url,
            description=description,
            event_types=_known(event_types),
            sealed_secret=seal(secret, settings.WEBHOOKS["SECRETS_KEYS"]),
            created_by=actor,
            created_at=now,
        )
    return endpoint, secret


def change_endpoint(*, endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:
    """Another `url`, `description` or `event_types`, for what is sent from now on.

    Raises BadUrl, UnknownEventType, EndpointDeleted.
    """
    if "url" in changes:
        _require_url(changes["url"])
    if "event_types" in changes:
        changes["event_types"] = _known(changes["event_types"])
    with transaction.atomic():
        locked = _lock(endpoint)
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.save(update_fields=list(changes))
    return locked


def rotate_secret(
    *, endpoint: WebhookEndpoint, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """A new secret, told this once; the one before signs as well for a day.

    Of secrets rotated faster than that, the last but one ends. Raises EndpointDeleted.
    """
    secret = new_secret()
    with transaction.atomic():
        locked = _lock(endpoint)
        locked.sealed_previous = locked.sealed_secret
        locked.previous_until = now + settings.WEBHOOKS["SECRET_OVERLAP"]
        locked.sealed_secret = seal(secret, settings.WEBHOOKS["SECRETS_KEYS"])
        locked.save()
    return locked, secret


def pause_endpoint(*, endpoint: WebhookEndpoint, reason: str = "") -> WebhookEndpoint:
    """Hold its events from now on. Repeating is harmless. Raises EndpointDeleted."""
    with transaction.atomic():
        locked = _lock(endpoint)
        if locked.state == State.ENABLED:
            locked.state, locked.reason = State.PAUSED, reason
            locked.save(update_fields=["state", "reason"])
    return locked


def resume_endpoint(*, endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
    """Send what it held, in order; and what was given up since it began to fail.

    Repeating is harmless. Raises EndpointDeleted.
    """
    with transaction.atomic():
        locked = _lock(endpoint)
        if locked.state == State.ENABLED:
            return locked
        held = Delivery.objects.filter(endpoint=locked)
        held.filter(state=Delivery.State.PENDING).update(due_at=now, tries=0)
        if locked.failing_since:
            held.filter(
                state=Delivery.State.GIVEN_UP, settled_at__gte=locked.failing_since
            ).update(state=Delivery.State.PENDING, settled_at=None, due_at=now, tries=0)
        locked.state, locked.reason = State.ENABLED, ""
        locked.failing_since = locked.quiet_until = None
        locked.save()
    return locked


def delete_endpoint(*, endpoint: WebhookEndpoint, now: datetime) -> bool:
    """Send nothing there any more; the row stays for the record, without its secrets.

    False where it was deleted before. Repeating is harmless.
    """
    with transaction.atomic():
        rows = WebhookEndpoint.objects.filter(pk=endpoint.pk, deleted_at=None)
        deleted = rows.update(
            state=State.DISABLED,
            reason="deleted",
            deleted_at=now,
            sealed_secret="",
            sealed_previous="",
            previous_until=None,
        )
    return bool(deleted)


def send_test_event(*, endpoint: WebhookEndpoint, actor: str, now: datetime) -> None:
    """Publish an event that this endpoint alone is sent.

    Raises EndpointNotEnabled, EndpointDeleted.
    """
    with transaction.atomic():
        locked = _lock(endpoint)
        if locked.state != State.ENABLED:
            raise EndpointNotEnabled(f"It is {locked.state}; resume it first.")
        payload = {"endpoint": str(locked.public_id), "actor": actor}
        publish([NewEvent(locked.agency_id, TEST, _subject(locked), payload)], now=now)


def announce_pauses(endpoints: Sequence[WebhookEndpoint], *, now: datetime) -> None:
    """Tell their owners and the platform, in the transaction that stops them.

    All at once: streams are locked in order, but only within one call.
    """
    publish([event for one in endpoints for event in _pause_events(one)], now=now)


def _pause_events(endpoint: WebhookEndpoint) -> list[NewEvent]:
    since = endpoint.failing_since
    payload = {
        "endpoint": str(endpoint.public_id),
        "state": str(endpoint.state),
        "reason": endpoint.reason,
        "failing_since": since and since.isoformat(),
    }
    receivers = {endpoint.agency_id: None, PLATFORM: None}
    return [NewEvent(one, PAUSED, _subject(endpoint), payload) for one in receivers]


def secrets_of(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """The secrets that sign now: the current one, and the one before until its end."""
    keys = settings.WEBHOOKS["SECRETS_KEYS"]
    secrets = [unseal(endpoint.sealed_secret, keys)]
    if endpoint.previous_until and now < endpoint.previous_until:
        secrets.append(unseal(endpoint.sealed_previous, keys))
    return secrets


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    if locked.deleted_at:
        raise EndpointDeleted("The endpoint is deleted.")
    if locked.state == State.ENDED:
        raise EndpointEnded(f"The endpoint has ended. {locked.reason}")
    return locked


def _require_url(url: str) -> None:
    try:
        check_url(url, address_policy())
    except NotAllowed as error:
        raise BadUrl(str(error), field="url") from error


def _require_room(agency: Agency | None) -> None:
    """Each endpoint costs a row and a request per event, so there is an end.

    The lock makes those who add one at the same time count one after another.
    """
    lock_name(f"webhook_endpoints:{agency.pk if agency else 'platform'}")
    rows = WebhookEndpoint.objects.filter(agency=agency, deleted_at=None).exclude(
        state=State.ENDED
    )
    if rows.count() >= MOST_ENDPOINTS:
        raise TooManyEndpoints(f"At most {MOST_ENDPOINTS} endpoints.")


def _known(event_types: Collection[str]) -> list[str]:
    if unknown := set(event_types) - CATALOGUE.keys():
        raise UnknownEventType(
            f"No event is called {min(unknown)}.", field="event_types"
        )
    return sorted(set(event_types))


def _subject(endpoint: WebhookEndpoint) -> str:
    return f"webhook_endpoint:{endpoint.public_id}"
