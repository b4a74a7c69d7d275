"""Sending what is due: claim, send, record. The network is never in a transaction.

An attempt is counted when it is claimed, in a commit of its own; whoever dies with it
leaves a lease that ends, and the event is sent again under the same id.
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

from billing.webhooks.catalogue import body_of
from billing.webhooks.ending import end_endpoints
from billing.webhooks.endpoints import address_policy, announce_pauses, secrets_of
from billing.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from billing.webhooks.retries import PAUSES, pause_after, wished_pause
from billing.webhooks.sending import Limits, Outcome, send
from billing.webhooks.signing import signed_headers
from seats.access import out_of_reach
from seats.arrays import columns
from seats.locks import lock_name

Clock = Callable[[], datetime]
Result = tuple[Delivery, Outcome, datetime]
MOST_TRIES = len(PAUSES) + 1
LOOK_AGAIN = 0.5  # seconds until what came due meanwhile is taken up
CLAIMING = "webhooks.claim"  # or two who count at the same time exceed a share
GATHER = 0.01  # seconds in which results come together, to be kept in one commit
# Of each endpoint as many as it may have at once, and of each object the oldest. The agency
# that has fewest in flight comes first, and of an agency the endpoint that has; nobody
# holds more than a share, so slow receivers of one agency leave room for all others. An
# agency answers for the endpoints that it owns, wherever they are.
CLAIM = """
    WITH room AS (
        SELECT endpoint.id, coalesce(endpoint.owner_id, endpoint.agency_id, 0) AS tenant,
               sent.now AS flying,
               CASE WHEN endpoint.failing_since IS NULL THEN %(at_once)s
                    ELSE %(at_once_failing)s END - sent.now AS free
        FROM billing_webhookendpoint AS endpoint
        CROSS JOIN LATERAL (
            SELECT count(*) AS now FROM billing_delivery AS sent
            WHERE sent.endpoint_id = endpoint.id
              AND sent.state = 'sending' AND sent.due_at > %(now)s
        ) AS sent
        WHERE endpoint.state = 'enabled' AND endpoint.deleted_at IS NULL
          AND (endpoint.quiet_until IS NULL OR endpoint.quiet_until <= %(now)s)
    ), flying AS (
        SELECT tenant, sum(flying) AS now FROM room GROUP BY tenant
    ), picked AS (
        SELECT one.id, one.due_at, room.tenant, room.flying + row_number() OVER (
                   PARTITION BY room.id ORDER BY one.due_at, one.event_id) AS turn
        FROM room CROSS JOIN LATERAL (
            SELECT delivery.id, delivery.due_at, delivery.event_id
            FROM billing_delivery AS delivery
            WHERE delivery.endpoint_id = room.id
              AND delivery.state IN ('pending', 'sending')
              AND delivery.due_at <= %(now)s
              AND delivery.event_id = (
                SELECT min(same.event_id) FROM billing_delivery AS same
                WHERE same.endpoint_id = delivery.endpoint_id
                  AND same.subject = delivery.subject
                  AND same.state IN ('pending', 'sending'))
            ORDER BY delivery.due_at, delivery.event_id
            LIMIT greatest(room.free, 0) FOR UPDATE SKIP LOCKED
        ) AS one
    ), placed AS (
        SELECT picked.id, picked.due_at, flying.now + row_number() OVER (
                   PARTITION BY tenant ORDER BY picked.turn, picked.due_at) AS place
        FROM picked JOIN flying USING (tenant)
    ), due AS (
        SELECT id FROM placed WHERE place <= %(share)s
        ORDER BY place, due_at LIMIT %(limit)s
    )
    UPDATE billing_delivery AS delivery
    SET state = 'sending', attempts = attempts + 1, tries = tries + 1,
        due_at = %(lease_until)s
    FROM due WHERE delivery.id = due.id
    RETURNING delivery.id
"""
# A result that comes after its lease, when somebody else is at it, changes nothing.
SETTLE = """
    UPDATE billing_delivery AS delivery
    SET state = told.state, due_at = told.due_at, settled_at = told.settled_at
    FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::timestamptz[],
                %s::timestamptz[]) AS told(id, attempts, state, due_at, settled_at)
    WHERE delivery.id = told.id AND delivery.attempts = told.attempts
      AND delivery.state = 'sending'
"""


def deliver_due(*, clock: Clock) -> int:
    """Make the attempts that are due, many at once, until none is; how many.

    Stops taking new ones after a while, so that the next sweep goes on. Safe to run
    twice, and at once.
    """
    chosen = settings.WEBHOOKS
    stop = clock() + chosen["SWEEP"]
    limits = Limits(
        seconds=chosen["TIMEOUT"].total_seconds(),
        rules=address_policy(),
        ca_file=chosen["CA_FILE"],
    )
    made = 0
    flying: dict[Future[Result], None] = {}
    with ThreadPoolExecutor(chosen["THREADS"]) as pool:
        while True:
            now, free = clock(), chosen["THREADS"] - len(flying)
            if free and now < stop:
                for delivery in claim_due(now=now, limit=free):
                    flying[pool.submit(make_attempt, delivery, limits, clock)] = None
            if not flying:
                return made
            wait(flying, LOOK_AGAIN, FIRST_COMPLETED)
            ended, _ = wait(flying, GATHER)
            record_results([one.result() for one in ended])
            made += len(ended)
            for one in ended:
                del flying[one]


def claim_due(*, now: datetime, limit: int) -> list[Delivery]:
    """Take deliveries for an attempt, with all that it takes to make it.

    Those of endpoints whose owner does not reach the agency now are not taken: their
    endpoints are ended, and others taken instead.
    """
    while True:
        claimed = _claim(now, limit)
        if isinstance(claimed, list):
            return claimed
        end_endpoints(now=now, agency_ids=claimed)


def _claim(now: datetime, limit: int) -> list[Delivery] | set[int]:
    """Deliveries; or the agencies of which some are not to be sent, and none is taken."""
    limits = settings.WEBHOOKS
    params = {
        "now": now,
        "limit": limit,
        "share": limits["AT_ONCE_AGENCY"],
        "at_once": limits["AT_ONCE"],
        "at_once_failing": limits["AT_ONCE_FAILING"],
        "lease_until": now + limits["LEASE"],
    }
    with transaction.atomic(durable=True):
        lock_name(CLAIMING)
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, params)
            ids = [row[0] for row in cursor.fetchall()]
        if not ids:
            return []
        rows = Delivery.objects.filter(pk__in=ids).order_by("event")
        claimed = list(rows.select_related("endpoint", "event__stream__agency"))
        grants = {
            (delivery.endpoint.owner_id, delivery.endpoint.agency_id)
            for delivery in claimed
        }
        lapsed = {agency for _, agency in out_of_reach(grants, now=now) if agency}
        if lapsed:
            transaction.set_rollback(True)
            return lapsed
    return claimed


def make_attempt(delivery: Delivery, limits: Limits, clock: Clock) -> Result:
    """Sign and send; asks no database, so that it can run in any thread."""
    if delivery.tries > MOST_TRIES:
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
        outcome = Outcome(error="ours: the event cannot be told")
    except InvalidToken:
        outcome = Outcome(error="ours: the secret cannot be read with our keys")
    else:
        headers = signed_headers(
            message=str(event.public_id), body=body, secrets=secrets, at=at
        )
        outcome = send(delivery.endpoint.url, body, headers, limits)
    return delivery, outcome, clock()


def record_results(results: Sequence[Result]) -> None:
    """Keep what came of attempts, and what follows for deliveries and endpoints."""
    if not results:
        return
    with transaction.atomic(durable=True):
        _note_endpoints(results)
        DeliveryAttempt.objects.bulk_create(
            DeliveryAttempt(
                delivery=delivery,
                number=delivery.attempts,
                made_at=at,
                status=outcome.status,
                latency_ms=outcome.latency_ms,
                answer=outcome.answer,
                error=outcome.error,
            )
            for delivery, outcome, at in results
        )
        with connection.cursor() as cursor:
            cursor.execute(SETTLE, columns([_settled(*one) for one in results], 5))


def _settled(
    delivery: Delivery, outcome: Outcome, at: datetime
) -> tuple[int, int, str, datetime, datetime | None]:
    """The row of SETTLE that follows from an outcome."""
    pause = None
    state = Delivery.State.DELIVERED
    if not outcome.taken:
        pause = pause_after(delivery.tries, share=random.random())
        wished = wished_pause(outcome.status, outcome.headers, now=at)
        state = Delivery.State.GIVEN_UP if pause is None else Delivery.State.PENDING
        if pause and wished:
            pause = max(pause, wished)
    due_at = at + pause if pause else at
    return delivery.pk, delivery.attempts, state, due_at, None if pause else at


def _note_endpoints(results: Sequence[Result]) -> None:
    """Endpoints that fail, come back, are busy, or are to be stopped."""
    ids = {
        delivery.endpoint_id
        for delivery, outcome, _ in results
        if not outcome.taken or delivery.endpoint.failing_since
    }
    if not ids:
        return
    locked = WebhookEndpoint.objects.select_for_update(no_key=True).order_by("pk")
    endpoints = {one.pk: one for one in locked.filter(pk__in=ids)}
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
    """What an attempt says of its endpoint; whether that stops it."""
    if outcome.taken:
        endpoint.failing_since = endpoint.quiet_until = None
        return False
    endpoint.failing_since = endpoint.failing_since or at
    if wished := wished_pause(outcome.status, outcome.headers, now=at):
        endpoint.quiet_until = at + wished
    if endpoint.state != WebhookEndpoint.State.ENABLED:
        return False
    if outcome.status == HTTPStatus.GONE:
        endpoint.state = WebhookEndpoint.State.DISABLED
        endpoint.reason = "It answered 410 Gone."
    elif at - endpoint.failing_since >= settings.WEBHOOKS["PAUSE_AFTER"]:
        endpoint.state = WebhookEndpoint.State.PAUSED
        endpoint.reason = "It took nothing for days."
    else:
        return False
    return True
