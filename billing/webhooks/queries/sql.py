"""Long SQL statements of webhooks."""

from billing.webhooks.domain.webhook_events import EndpointTested

# Whether an endpoint gets an event: a test of its own, or a type it subscribes to.
WANTS = f"""
    CASE WHEN event.type = '{EndpointTested.event_type}'
         THEN endpoint.public_id = (event.payload ->> 'endpoint')::uuid
         ELSE endpoint.event_types = '{{}}'
              OR event.type = ANY(endpoint.event_types) END
"""

# A delivery of each event of a stream to each endpoint that wants it. Inserted in the order of
# the events, so that the ids of deliveries have that order too.
FAN_OUT = f"""
    WITH events AS (
        SELECT event.id, event.type, event.subject, event.payload, stream.agency_id
        FROM billing_outboxevent AS event
        JOIN billing_outboxstream AS stream ON stream.id = event.stream_id
        WHERE event.stream_id = %(stream)s
          AND event.sequence > %(through)s AND event.sequence <= %(to)s
    )
    INSERT INTO billing_delivery (endpoint_id, event_id, subject, state, attempts,
                                  tries, next_attempt_at, last_error)
    SELECT endpoint.id, event.id, event.subject, 'pending', 0, 0, %(now)s, ''
    FROM events AS event
    JOIN billing_webhookendpoint AS endpoint
      ON endpoint.deleted_at IS NULL AND endpoint.state <> 'ended'
     AND (endpoint.agency_id IS NULL OR endpoint.agency_id = event.agency_id)
     AND {WANTS}
    ORDER BY event.id, endpoint.id
    ON CONFLICT (endpoint_id, event_id) DO NOTHING
"""

# The same for one endpoint and events that it may have had: a delivery that ended begins again.
REPLAY = f"""
    INSERT INTO billing_delivery (endpoint_id, event_id, subject, state, attempts,
                                  tries, next_attempt_at, last_error)
    SELECT endpoint.id, event.id, event.subject, 'pending', 0, 0, %(now)s, ''
    FROM billing_outboxevent AS event
    JOIN billing_webhookendpoint AS endpoint ON endpoint.id = %(endpoint)s
                                              AND endpoint.deleted_at IS NULL
                                              AND endpoint.state <> 'ended'
    WHERE event.stream_id = %(stream)s
      AND event.sequence BETWEEN %(first)s AND %(last)s
      AND {WANTS}
    ORDER BY event.id
    ON CONFLICT (endpoint_id, event_id) DO UPDATE
    SET state = 'pending', tries = 0, next_attempt_at = EXCLUDED.next_attempt_at,
        settled_at = NULL, last_error = ''
    WHERE billing_delivery.state IN ('delivered', 'given_up')
"""

# The deliveries to claim now. Per endpoint as many as it may have at once, and per subject the
# oldest. The agency with the fewest in flight comes first, and within an agency the endpoint
# with the fewest; no agency holds more than its share, so slow receivers of one leave room for
# all others. An endpoint counts for the agency that owns it, whichever agency it is for.
PICK_DELIVERIES = """
    WITH room AS (
        SELECT endpoint.id, coalesce(endpoint.owner_id, endpoint.agency_id, 0) AS tenant,
               sent.now AS in_flight,
               CASE WHEN endpoint.failing_since IS NULL THEN %(at_once)s
                    ELSE %(at_once_failing)s END - sent.now AS free
        FROM billing_webhookendpoint AS endpoint
        CROSS JOIN LATERAL (
            SELECT count(*) AS now FROM billing_delivery AS sent
            WHERE sent.endpoint_id = endpoint.id
              AND sent.state = 'sending' AND sent.leased_until > %(now)s
        ) AS sent
        WHERE endpoint.state = 'enabled' AND endpoint.deleted_at IS NULL
          AND (endpoint.quiet_until IS NULL OR endpoint.quiet_until <= %(now)s)
    ), in_flight AS (
        SELECT tenant, sum(in_flight) AS now FROM room GROUP BY tenant
    ), picked AS (
        SELECT head.id, head.next_attempt_at, room.tenant, room.in_flight + row_number() OVER (
                   PARTITION BY room.id ORDER BY head.next_attempt_at, head.event_id) AS turn
        FROM room CROSS JOIN LATERAL (
            SELECT delivery.id, delivery.next_attempt_at, delivery.event_id
            FROM billing_delivery AS delivery
            WHERE delivery.endpoint_id = room.id
              AND delivery.state IN ('pending', 'sending')
              AND delivery.next_attempt_at <= %(now)s
              AND (delivery.leased_until IS NULL OR delivery.leased_until <= %(now)s)
              AND delivery.event_id = (
                SELECT min(same.event_id) FROM billing_delivery AS same
                WHERE same.endpoint_id = delivery.endpoint_id
                  AND same.subject = delivery.subject
                  AND same.state IN ('pending', 'sending'))
            ORDER BY delivery.next_attempt_at, delivery.event_id
            LIMIT greatest(room.free, 0) FOR UPDATE SKIP LOCKED
        ) AS head
    ), placed AS (
        SELECT picked.id, picked.next_attempt_at, in_flight.now + row_number() OVER (
                   PARTITION BY tenant ORDER BY picked.turn, picked.next_attempt_at) AS place
        FROM picked JOIN in_flight USING (tenant)
    )
    SELECT id FROM placed WHERE place <= %(share)s
    ORDER BY place, next_attempt_at LIMIT %(limit)s
"""
