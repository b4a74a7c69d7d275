-- All that decides whether the holder of a key learns that an agent may dial, in one
-- statement; null where there is no such key.
--
-- Without a code it is about the key's own agency. An agency's date is at most one away
-- from that of UTC, so three dates, and the months of them, are looked at. `above` walks
-- from the agency up along the edges that may hold on one of them, if the key is another
-- agency's, or a budget that was passed: with the zones of the agency that an edge
-- places, where the edge begins or ends around now. Any cause suspends, and a payer that
-- dunning suspended takes along the agencies whose charges it carries alone; cut-offs
-- matter to bills, not to this. In PL/pgSQL for its plan, which is the same for all and
-- kept: made for each call it takes longer.

CREATE OR REPLACE FUNCTION facts_for_dialing(
    the_digest text, the_now timestamptz, the_code text, the_agent text,
    dialing_meters text[]
) RETURNS json
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    today date := (the_now AT TIME ZONE 'UTC')::date;
    the_days date[] := ARRAY[today - 1, today, today + 1];
    facts json;
BEGIN
    WITH RECURSIVE key AS (
        SELECT key.id, key.scopes, key.last_used_at, key.agency_id AS owner_id,
               coalesce(nullif(the_code, ''), own.code) AS code,
               own.code <> nullif(the_code, '') AS reaches_out
        FROM seats_apikey AS key
        LEFT JOIN seats_agency AS own ON own.id = key.agency_id
        WHERE key.digest = the_digest AND key.revoked_at IS NULL
          AND (key.expires_at IS NULL OR key.expires_at > the_now)
    ), exceeded AS (
        SELECT budget.id, budget.public_id, budget.owner_id, month.month
        FROM key
        JOIN seats_agency AS agency ON agency.code = key.code
        JOIN billing_budget AS budget
            ON budget.agency_id = agency.id AND budget.hard AND budget.ended_at IS NULL
        JOIN billing_budgetmonth AS month ON month.budget_id = budget.id
        LEFT JOIN seats_agent AS agent
            ON agent.agency_id = agency.id AND agent.external_id = the_agent
        LEFT JOIN billing_meter AS meter ON meter.id = budget.meter_id
        WHERE (budget.agent_id IS NULL OR budget.agent_id = agent.id)
          AND (budget.meter_id IS NULL OR meter.code = ANY(dialing_meters))
          AND month.month IN (date_trunc('month', the_days[1])::date,
                              date_trunc('month', the_days[3])::date)
          AND month.used >= coalesce(budget.amount, budget.quantity)
    ), above(agency_id, edge_id, lower_id, starts_on, ends_on) AS (
        SELECT agency.id, NULL::bigint, NULL::bigint, NULL::date, NULL::date
        FROM key JOIN seats_agency AS agency ON agency.code = key.code
        WHERE key.reaches_out
           OR EXISTS (SELECT FROM exceeded WHERE owner_id <> agency.id)
        UNION
        SELECT edge.upline_id, edge.id, edge.agency_id, edge.starts_on, edge.ends_on
        FROM above
        JOIN seats_upline AS edge ON edge.agency_id = above.agency_id
            AND edge.starts_on <= the_days[3]
            AND (edge.ends_on IS NULL OR edge.ends_on > the_days[1])
    )
    SELECT json_build_object(
        'key', key.id,
        'scopes', key.scopes,
        'used_at', key.last_used_at,
        'owner', key.owner_id,
        'agency', agency.id,
        'edges', (
            SELECT json_agg(json_build_object(
                'upper', above.agency_id, 'lower', above.lower_id,
                'starts_on', above.starts_on, 'ends_on', above.ends_on,
                'zones', CASE WHEN above.starts_on >= today
                                OR above.ends_on <= the_days[3] THEN (
                    SELECT json_agg(json_build_object('starts_on', zone.starts_on,
                                                      'zone', zone.zone)
                                    ORDER BY zone.starts_on)
                    FROM seats_agencyzone AS zone
                    WHERE zone.agency_id = above.lower_id) END))
            FROM above WHERE above.edge_id IS NOT NULL),
        'zones', (
            SELECT json_agg(json_build_object('starts_on', zone.starts_on,
                                              'zone', zone.zone)
                            ORDER BY zone.starts_on)
            FROM seats_agencyzone AS zone WHERE zone.agency_id = agency.id),
        'agent', agent.id IS NOT NULL,
        'suspended', EXISTS (
            SELECT FROM (
                SELECT DISTINCT ON (cause) standing FROM billing_accountstanding
                WHERE agency_id = agency.id ORDER BY cause, id DESC
            ) AS newest WHERE newest.standing = 'suspended'),
        'carried_on', ARRAY(
            SELECT day FROM unnest(the_days) AS day WHERE 'suspended' = (
                SELECT standing FROM billing_accountstanding
                WHERE cause = 'dunning' AND agency_id = (
                    SELECT payer_id FROM billing_payershare
                    WHERE percent = 100 AND share_set_id = (
                        SELECT id FROM billing_payershareset
                        WHERE agency_id = agency.id AND starts_on <= day
                        ORDER BY starts_on DESC, id DESC LIMIT 1))
                ORDER BY id DESC LIMIT 1)),
        'held', (
            SELECT json_agg(json_build_object('seat', seat.public_id,
                                              'starts_on', holding.starts_on,
                                              'ends_on', holding.ends_on))
            FROM seats_seatholding AS holding
            JOIN seats_seat AS seat ON seat.id = holding.seat_id
            WHERE holding.agent_id = agent.id AND holding.starts_on <= the_days[3]
              AND (holding.ends_on IS NULL OR holding.ends_on > the_days[1])),
        'exceeded', (
            SELECT json_agg(json_build_object('budget', public_id, 'month', month,
                                              'owner', owner_id) ORDER BY id)
            FROM exceeded))
    INTO facts
    FROM key
    LEFT JOIN seats_agency AS agency ON agency.code = key.code
    LEFT JOIN seats_agent AS agent
        ON agent.agency_id = agency.id AND agent.external_id = the_agent;
    RETURN facts;
END $$;
