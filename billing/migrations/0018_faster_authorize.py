"""One statement says whose key it is and whether the agent may dial."""

from django.db import migrations

# All that decides whether the holder of a key is told that an agent may dial; null where
# there is no such key. Without a code it is the key's own agency that is asked about. An
# agency's date is at most one away from that of UTC, so three dates, and the months of
# them, are looked at; `above` walks from another agency than the key's own up to that of
# the key. Any cause suspends, and a payer that dunning suspended takes along the agencies
# whose charges it carries alone; cut-offs matter to bills, not to this. In PL/pgSQL for
# its plan, which is the same for all and kept: made for each call it takes longer.
DIALING = """
DROP FUNCTION facts_for_dialing(text, bigint, text, date[], date[], text[]);

CREATE FUNCTION facts_for_dialing(
    the_digest text, the_now timestamptz, the_code text, the_agent text,
    dialing_meters text[]
) RETURNS json LANGUAGE plpgsql STABLE SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan AS $$
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
    ), above(day, agency_id) AS (
        SELECT day, agency.id
        FROM key JOIN seats_agency AS agency ON agency.code = key.code,
             unnest(the_days) AS day
        WHERE key.reaches_out
        UNION
        SELECT above.day, edge.upline_id FROM above
        JOIN seats_upline AS edge ON edge.agency_id = above.agency_id
            AND edge.starts_on <= above.day
            AND (edge.ends_on IS NULL OR edge.ends_on > above.day)
    )
    SELECT json_build_object(
        'key', key.id,
        'scopes', key.scopes,
        'used_at', key.last_used_at,
        'owner_zones', CASE WHEN key.reaches_out THEN (
            SELECT json_agg(json_build_object('starts_on', zone.starts_on,
                                              'zone', zone.zone)
                            ORDER BY zone.starts_on)
            FROM seats_agencyzone AS zone WHERE zone.agency_id = key.owner_id) END,
        'reached_on', ARRAY(SELECT day FROM above WHERE agency_id = key.owner_id),
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
            SELECT json_agg(json_build_object('budget', budget.public_id,
                                              'month', month.month)
                            ORDER BY budget.id)
            FROM billing_budget AS budget
            JOIN billing_budgetmonth AS month ON month.budget_id = budget.id
            LEFT JOIN billing_meter AS meter ON meter.id = budget.meter_id
            WHERE budget.agency_id = agency.id AND budget.hard
              AND (budget.agent_id IS NULL OR budget.agent_id = agent.id)
              AND (budget.meter_id IS NULL OR meter.code = ANY(dialing_meters))
              AND month.month IN (date_trunc('month', the_days[1])::date,
                                  date_trunc('month', the_days[3])::date)
              AND month.used >= coalesce(budget.amount, budget.quantity)))
    INTO facts
    FROM key
    LEFT JOIN seats_agency AS agency ON agency.code = key.code
    LEFT JOIN seats_agent AS agent
        ON agent.agency_id = agency.id AND agent.external_id = the_agent;
    RETURN facts;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0017_dunning"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [migrations.RunSQL(DIALING, migrations.RunSQL.noop)]
