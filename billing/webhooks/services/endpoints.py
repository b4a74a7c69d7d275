"""Add, change, rotate, pause, resume, delete and test webhook endpoints."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from billing.webhooks.domain.catalogue import catalogue
from billing.webhooks.domain.signing import new_secret, seal, unseal
from billing.webhooks.domain.webhook_events import EndpointPaused, EndpointTested
from billing.webhooks.models import Delivery, WebhookEndpoint
from billing.webhooks.services.outbox import PLATFORM, publish
from core.errors import Refusal
from core.outbound.addresses import AddressPolicy, NotAllowed, check_url
from core.parsing.values import shown
from core.postgres.locks import lock_name
from seats.models import Agency

State = WebhookEndpoint.State
MOST_ENDPOINTS = 20


class BadUrl(Refusal):
    """The URL is not valid or not allowed.

    Use a public HTTPS URL; `detail` says what is wrong with this one.
    """

    code = "bad_url"


class UnknownEventType(Refusal):
    """The event type does not exist.

    Choose types from docs/webhooks.md.
    """

    code = "unknown_event_type"


class TooManyEndpoints(Refusal):
    """The owner already has as many webhook endpoints as allowed.

    Delete an endpoint that is no longer needed.
    """

    code = "too_many_endpoints"


class EndpointNotEnabled(Refusal):
    """The webhook endpoint is not enabled.

    Resume the endpoint, then send the test event.
    """

    code = "endpoint_not_enabled"


class EndpointDeleted(Refusal):
    """The webhook endpoint is deleted.

    Add a new endpoint instead.
    """

    code = "endpoint_deleted"


class EndpointEnded(Refusal):
    """The webhook endpoint has ended.

    Read the reason in `detail`, and add a new endpoint if events are still needed.
    """

    code = "endpoint_ended"


def address_policy() -> AddressPolicy:
    """The ports and hosts that the operator's settings allow for endpoints."""
    options = settings.WEBHOOKS
    return AddressPolicy(frozenset(options["PORTS"]), options["ALLOW_LOOPBACK"])


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
    """Create an endpoint and its signing secret, which is returned only here.

    `agency` None creates an endpoint of the platform. The endpoint gets events that are
    fanned out from now on. It ends once `owner`, the agency that creates it, no longer
    reaches `agency`; without an owner it never ends. Not safe to repeat: each call
    creates another endpoint. Raises BadUrl, UnknownEventType, TooManyEndpoints.
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
            event_types=_checked_types(event_types),
            sealed_secret=seal(secret, settings.WEBHOOKS["SECRETS_KEYS"]),
            created_by=actor,
            created_at=now,
        )
    return endpoint, secret


def change_endpoint(*, endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:
    """Change `url`, `description` or `event_types` for everything sent from now on.

    Repeating is harmless. Raises BadUrl, UnknownEventType, EndpointDeleted,
    EndpointEnded.
    """
    if "url" in changes:
        _require_url(changes["url"])
    if "event_types" in changes:
        changes["event_types"] = _checked_types(changes["event_types"])
    with transaction.atomic():
        locked = _lock(endpoint)
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.save(update_fields=list(changes))
    return locked


def rotate_secret(
    *, endpoint: WebhookEndpoint, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Create a new secret, returned only here; the previous one also signs for a day.

    Rotating again within that day ends the older of the two secrets, so repeating is
    not safe. Raises EndpointDeleted, EndpointEnded.
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
    """Hold the endpoint's events from now on. Repeating is harmless.

    Raises EndpointDeleted, EndpointEnded.
    """
    with transaction.atomic():
        locked = _lock(endpoint)
        if locked.state == State.ENABLED:
            locked.state, locked.reason = State.PAUSED, reason
            locked.save(update_fields=["state", "reason"])
    return locked


def resume_endpoint(*, endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
    """Send the held events in order, and those given up since it began to fail.

    Repeating is harmless. Raises EndpointDeleted, EndpointEnded.
    """
    with transaction.atomic():
        locked = _lock(endpoint)
        if locked.state == State.ENABLED:
            return locked
        held = Delivery.objects.filter(endpoint=locked)
        held.filter(state=Delivery.State.PENDING).update(next_attempt_at=now, tries=0)
        if locked.failing_since:
            held.filter(
                state=Delivery.State.GIVEN_UP, settled_at__gte=locked.failing_since
            ).update(
                state=Delivery.State.PENDING,
                settled_at=None,
                next_attempt_at=now,
                tries=0,
            )
        locked.state, locked.reason = State.ENABLED, ""
        locked.failing_since = locked.quiet_until = None
        locked.save()
    return locked


def delete_endpoint(*, endpoint: WebhookEndpoint, now: datetime) -> bool:
    """Stop sending to the endpoint and destroy its secrets; the row stays for the record.

    Returns False if it was already deleted. Repeating is harmless.
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
    """Publish a test event that only this endpoint is sent. Each call sends another.

    Raises EndpointNotEnabled, EndpointDeleted, EndpointEnded.
    """
    with transaction.atomic():
        locked = _lock(endpoint)
        if locked.state != State.ENABLED:
            raise EndpointNotEnabled(
                f"{_name(locked)} is {locked.state}. Resume it, then send the test event."
            )
        event = EndpointTested(
            agency_id=locked.agency_id,
            subject=_subject(locked),
            endpoint=locked.public_id,
            actor=actor,
        )
        publish(event, now=now)


def announce_pauses(endpoints: Sequence[WebhookEndpoint], *, now: datetime) -> None:
    """Publish `webhook_endpoint.paused` to the agencies and to the platform.

    Must be called in the transaction that stops the endpoints, once for all of them:
    streams are locked in order, but only within one call.
    """
    publish(*(event for row in endpoints for event in _pause_events(row)), now=now)


def _pause_events(endpoint: WebhookEndpoint) -> list[EndpointPaused]:
    return [
        EndpointPaused(
            agency_id=agency_id,
            subject=_subject(endpoint),
            endpoint=endpoint.public_id,
            state=endpoint.state,
            reason=endpoint.reason,
            failing_since=endpoint.failing_since,
        )
        for agency_id in dict.fromkeys([endpoint.agency_id, PLATFORM])
    ]


def secrets_of(endpoint: WebhookEndpoint, *, now: datetime) -> list[str]:
    """The secrets that sign now: the current one, and the previous one until it expires.

    Raises cryptography.fernet.InvalidToken.
    """
    keys = settings.WEBHOOKS["SECRETS_KEYS"]
    secrets = [unseal(endpoint.sealed_secret, keys)]
    if endpoint.previous_until and now < endpoint.previous_until:
        secrets.append(unseal(endpoint.sealed_previous, keys))
    return secrets


def _lock(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
    if locked.deleted_at:
        raise EndpointDeleted(
            f"{_name(locked)} is deleted. Add a new endpoint instead."
        )
    if locked.state == State.ENDED:
        raise EndpointEnded(f"{_name(locked)} has ended. {locked.reason}")
    return locked


def _require_url(url: str) -> None:
    try:
        check_url(url, address_policy())
    except NotAllowed as error:
        raise BadUrl(str(error), field="url") from error


def _require_room(agency: Agency | None) -> None:
    """Limit the endpoints of an agency: each costs a row and a request per event.

    The lock makes concurrent additions count one after another.
    """
    lock_name(f"webhook_endpoints:{agency.pk if agency else 'platform'}")
    rows = WebhookEndpoint.objects.filter(agency=agency, deleted_at=None).exclude(
        state=State.ENDED
    )
    if rows.count() >= MOST_ENDPOINTS:
        who = f"Agency {agency.code}" if agency else "The platform"
        raise TooManyEndpoints(
            f"{who} already has {MOST_ENDPOINTS} webhook endpoints, the most allowed."
            " Delete one that is no longer needed."
        )


def _checked_types(event_types: Collection[str]) -> list[str]:
    if unknown := set(event_types) - catalogue().keys():
        raise UnknownEventType(
            f"Event type {shown(min(unknown))} does not exist. See docs/webhooks.md.",
            field="event_types",
        )
    return sorted(set(event_types))


def _name(endpoint: WebhookEndpoint) -> str:
    return f"Webhook endpoint {endpoint.public_id}"


def _subject(endpoint: WebhookEndpoint) -> str:
    return f"webhook_endpoint:{endpoint.public_id}"
