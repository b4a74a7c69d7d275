"""Send due deliveries: claim, send, record. No transaction is open while sending.

An attempt is counted when it is claimed, in a commit of its own. If the worker dies, its
lease ends and the event is sent again with the same id.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime
from http import HTTPStatus

import msgspec
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connection, transaction

from billing.webhooks.domain.catalogue import body_of
from billing.webhooks.domain.retries import PAUSES, pause_after, requested_pause
from billing.webhooks.domain.signing import signed_headers
from billing.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from billing.webhooks.queries.sql import PICK_DELIVERIES
from billing.webhooks.services.access import end_endpoints
from billing.webhooks.services.endpoints import (
    address_policy,
    announce_pauses,
    secrets_of,
)
from core.outbound.client import Limits, Outcome, send
from core.postgres.arrays import columns, text_array
from core.postgres.locks import lock_name
from seats.access.queries import out_of_reach

Clock = Callable[[], datetime]
AttemptResult = tuple[Delivery, Outcome, datetime]
MAX_TRIES = len(PAUSES) + 1
POLL_SECONDS = 0.5  # between looks for deliveries that came due meanwhile
CLAIM_LOCK = "webhooks.claim"  # without it, concurrent claims could exceed a share
GATHER_SECONDS = 0.01  # to collect results that are recorded in one commit
# A result that arrives after its lease ended and another attempt began changes nothing.
SETTLE = """
    UPDATE billing_delivery AS delivery
    SET state = settled.state, next_attempt_at = settled.next_attempt_at,
        settled_at = settled.settled_at, last_error = settled.last_error, leased_until = NULL
    FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::timestamptz[],
                %s::timestamptz[], %s::text[])
        AS settled(id, attempts, state, next_attempt_at, settled_at, last_error)
    WHERE delivery.id = settled.id AND delivery.attempts = settled.attempts
      AND delivery.state = 'sending'
"""


def deliver_due(*, clock: Clock) -> int:
    """Make the due attempts, many in parallel, until none is left; return how many.

    Stops claiming after WEBHOOKS["SWEEP"]; the next sweep continues. Safe to run
    repeatedly and concurrently.
    """
    options = settings.WEBHOOKS
    stop = clock() + options["SWEEP"]
    limits = Limits(
        seconds=options["TIMEOUT"].total_seconds(),
        rules=address_policy(),
        ca_file=options["CA_FILE"],
    )
    made = 0
    in_flight: dict[Future[AttemptResult], None] = {}
    with ThreadPoolExecutor(options["THREADS"]) as pool:
        while True:
            now, free = clock(), options["THREADS"] - len(in_flight)
            if free and now < stop:
                for delivery in claim_due(now=now, limit=free):
                    in_flight[pool.submit(make_attempt, delivery, limits, clock)] = None
            if not in_flight:
                return made
            wait(in_flight, POLL_SECONDS, FIRST_COMPLETED)
            ended, _ = wait(in_flight, GATHER_SECONDS)
            record_results([future.result() for future in ended])
            made += len(ended)
            for future in ended:
                del in_flight[future]


def claim_due(*, now: datetime, limit: int) -> list[Delivery]:
    """Claim up to `limit` due deliveries, with endpoint, event and agency loaded.

    Endpoints whose owner no longer reaches their agency are ended instead, and other
    deliveries are claimed. Each claim counts an attempt and begins a lease.
    """
    while True:
        claimed = _claim(now, limit)
        if isinstance(claimed, list):
            return claimed
        end_endpoints(now=now, agency_ids=claimed)


def _claim(now: datetime, limit: int) -> list[Delivery] | set[int]:
    """Claim deliveries; or claim none and return the agencies with lapsed endpoints."""
    limits = settings.WEBHOOKS
    params = {
        "now": now,
        "limit": limit,
        "share": limits["AT_ONCE_AGENCY"],
        "at_once": limits["AT_ONCE"],
        "at_once_failing": limits["AT_ONCE_FAILING"],
    }
    with transaction.atomic(durable=True):
        lock_name(CLAIM_LOCK)
        with connection.cursor() as cursor:
            cursor.execute(PICK_DELIVERIES, params)
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return []
        rows = Delivery.objects.filter(pk__in=ids).order_by("event")
        rows = rows.select_related("endpoint", "event__stream__agency")
        claimed = rows.claim(now=now, lease=limits["LEASE"])
        grants = {
            (delivery.endpoint.owner_id, delivery.endpoint.agency_id)
            for delivery in claimed
        }
        lapsed = {agency for _, agency in out_of_reach(grants, now=now) if agency}
        if lapsed:
            transaction.set_rollback(True)
            return lapsed
    return claimed


def make_attempt(delivery: Delivery, limits: Limits, clock: Clock) -> AttemptResult:
    """Sign and send a delivery. Uses no database, so that it can run in any thread."""
    if delivery.tries > MAX_TRIES:
        error = "crashed: every attempt ended without a result"
        return delivery, Outcome(error=error), clock()
    at = clock()
    event, agency = delivery.event, delivery.event.stream.agency
    try:
        body = body_of(
            kind=event.type,
            payload=event.payload,
            at=event.occurred_at,
            public_id=event.public_id,
            agency=agency.code if agency else None,
            sequence=event.sequence,
            subject=event.subject,
        )
        secrets = secrets_of(delivery.endpoint, now=at)
    except (KeyError, msgspec.ValidationError):
        outcome = Outcome(
            error="internal: the event does not match its catalogue entry"
        )
    except InvalidToken:
        error = "internal: the secret cannot be decrypted with WEBHOOK_SECRETS_KEY"
        outcome = Outcome(error=error)
    else:
        headers = signed_headers(
            message=str(event.public_id), body=body, secrets=secrets, at=at
        )
        outcome = send(delivery.endpoint.url, body, headers, limits)
    return delivery, outcome, clock()


def record_results(results: Sequence[AttemptResult]) -> None:
    """Store attempts and update their deliveries and endpoints, in one transaction."""
    if not results:
        return
    with transaction.atomic(durable=True):
        _note_endpoints(results)
        DeliveryAttempt.objects.bulk_create(
            DeliveryAttempt(
                delivery=delivery,
                number=delivery.attempts,
                made_at=at,
                http_status=outcome.status,
                latency_ms=outcome.latency_ms,
                answer=outcome.answer,
                error=outcome.error,
            )
            for delivery, outcome, at in results
        )
        with connection.cursor() as cursor:
            cursor.execute(SETTLE, _settlements(results))


def _settlements(results: Sequence[AttemptResult]) -> list[str]:
    errors = text_array(_error_of(outcome) for _, outcome, _ in results)
    return [*columns([_settled(*row) for row in results], 5), errors]


def _error_of(outcome: Outcome) -> str:
    """Why an attempt did not succeed; the response itself is in the log of attempts."""
    if outcome.taken:
        return ""
    return outcome.error or f"The endpoint responded with {outcome.status}."


def _settled(
    delivery: Delivery, outcome: Outcome, at: datetime
) -> tuple[int, int, str, datetime, datetime | None]:
    """The row of SETTLE for an attempt with this outcome."""
    pause = None
    state = Delivery.State.DELIVERED
    if not outcome.taken:
        pause = pause_after(delivery.tries, share=random.random())
        requested = requested_pause(outcome.status, outcome.headers, now=at)
        state = Delivery.State.GIVEN_UP if pause is None else Delivery.State.PENDING
        if pause and requested:
            pause = max(pause, requested)
    next_attempt_at = at + pause if pause else at
    return delivery.pk, delivery.attempts, state, next_attempt_at, None if pause else at


def _note_endpoints(results: Sequence[AttemptResult]) -> None:
    """Update endpoints that fail, recover or are busy, and stop those that must be."""
    ids = {
        delivery.endpoint_id
        for delivery, outcome, _ in results
        if not outcome.taken or delivery.endpoint.failing_since
    }
    if not ids:
        return
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).order_by("pk")
    endpoints = {row.pk: row for row in locked.filter(pk__in=ids)}
    stopped = [
        endpoints[delivery.endpoint_id]
        for delivery, outcome, at in results
        if delivery.endpoint_id in endpoints
        and _note(endpoints[delivery.endpoint_id], outcome, at)
    ]
    WebhookEndpoint.objects.bulk_update(
        endpoints.values(), ["state", "reason", "failing_since", "quiet_until"]
    )
    announce_pauses(stopped, now=max(at for _, _, at in results))


def _note(endpoint: WebhookEndpoint, outcome: Outcome, at: datetime) -> bool:
    """Update an endpoint by the outcome of an attempt; whether that stops it."""
    if outcome.taken:
        endpoint.failing_since = endpoint.quiet_until = None
        return False
    endpoint.failing_since = endpoint.failing_since or at
    if requested := requested_pause(outcome.status, outcome.headers, now=at):
        endpoint.quiet_until = at + requested
    if endpoint.state != WebhookEndpoint.State.ENABLED:
        return False
    if outcome.status == HTTPStatus.GONE:
        endpoint.state = WebhookEndpoint.State.DISABLED
        endpoint.reason = "The endpoint responded with 410 Gone."
    elif at - endpoint.failing_since >= settings.WEBHOOKS["PAUSE_AFTER"]:
        endpoint.state = WebhookEndpoint.State.PAUSED
        days = settings.WEBHOOKS["PAUSE_AFTER"].days
        endpoint.reason = f"Every delivery has failed for {days} days."
    else:
        return False
    return True
