"""Long SQL statements of invoicing."""

# The first date with a seat or usage, by agency. Usage days have an index by cut-off, so their
# first dates are found by one look-up per cut-off instead of a scan of all days.
FIRST_FACTS = """
    SELECT agency_id, min(first) FROM (
        SELECT agency_id, min(added_on) AS first FROM seats_seatversion
        WHERE agency_id = ANY(%(agencies)s::bigint[]) GROUP BY agency_id
        UNION ALL
        SELECT agency.id, (
            -- The first date of each cut-off, one index look-up for each.
            WITH RECURSIVE first(cutoff, used_on) AS (
                (SELECT cutoff, used_on FROM billing_usageday
                 WHERE agency_id = agency.id ORDER BY cutoff, used_on LIMIT 1)
                UNION ALL
                SELECT later.cutoff, later.used_on
                FROM first, LATERAL (
                    SELECT cutoff, used_on FROM billing_usageday
                    WHERE agency_id = agency.id AND cutoff > first.cutoff
                    ORDER BY cutoff, used_on LIMIT 1) AS later
            ) SELECT min(used_on) FROM first)
        FROM seats_agency AS agency WHERE agency.id = ANY(%(agencies)s::bigint[])
    ) AS facts GROUP BY agency_id
"""

# Whether an open finding applies to the document with this alias. A finding about an
# agency applies to documents with lines of it, and to those computed from its facts.
ON_HOLD = """
    EXISTS (
        SELECT FROM billing_verificationfinding AS finding
        WHERE finding.resolved_at IS NULL AND finding.accepted_at IS NULL
          AND CASE finding.scope
              WHEN 'document' THEN finding.document_id = {document}.id
              WHEN 'payer' THEN finding.agency_id = {document}.payer_id
              WHEN 'price_list' THEN
                  finding.price_list_id = {document}.price_list_id
                  OR EXISTS (
                      SELECT FROM billing_documentline AS line
                      WHERE line.document_id = {document}.id
                        AND line.price_list_id = finding.price_list_id)
              WHEN 'agency' THEN
                  (finding.month IS NULL OR finding.month = {document}.month)
                  AND (finding.agency_id = {document}.payer_id OR jsonb_exists(
                      {document}.cutoffs, finding.agency_id::text))
                  OR EXISTS (
                      SELECT FROM billing_documentline AS line
                      WHERE line.document_id = {document}.id
                        AND line.agency_id = finding.agency_id
                        AND (finding.month IS NULL OR line.month = finding.month))
              ELSE false END)
"""

# Every payer with a fact above its watermark, or with a seat day or usage in a month
# after it. Any version of a seat counts: an item without differences writes nothing.
# `cuts` gives the cut-off of each agency: those that a run took, or those of now.
PLANNED_PAYERS = """
    SELECT DISTINCT pair.payer_id
    FROM (
        SELECT id AS payer_id, id AS agency_id FROM seats_agency
        UNION
        SELECT share.payer_id, share_set.agency_id FROM billing_payershare AS share
        JOIN billing_payershareset AS share_set ON share_set.id = share.share_set_id
    ) AS pair
    JOIN {cuts} AS cut ON cut.agency_id = pair.agency_id
    LEFT JOIN billing_watermark AS mark
        ON mark.payer_id = pair.payer_id AND mark.agency_id = pair.agency_id
    CROSS JOIN LATERAL (
        SELECT coalesce(mark.billed_cutoff, 0) AS billed_cutoff,
               coalesce((mark.billed_through + interval '1 month')::date,
                        '0001-01-01') AS starts_on
    ) AS open
    WHERE (%(payer)s::bigint IS NULL OR pair.payer_id = %(payer)s)
      AND (EXISTS (
            SELECT FROM seats_seatversion AS version
            WHERE version.agency_id = pair.agency_id AND version.cutoff <= cut.cutoff
              AND (version.cutoff > open.billed_cutoff
                   OR NOT version.cancelled AND open.starts_on < %(ends_on)s
                      AND version.added_on < %(ends_on)s
                      AND (version.removed_on IS NULL
                           OR version.removed_on > open.starts_on
                           OR version.added_on >= open.starts_on)))
        OR EXISTS (
            SELECT FROM billing_usageday AS day
            WHERE day.agency_id = pair.agency_id
              AND day.cutoff > open.billed_cutoff AND day.cutoff <= cut.cutoff)
        OR EXISTS (
            SELECT FROM billing_usageday AS day
            WHERE day.agency_id = pair.agency_id AND day.used_on >= open.starts_on
              AND day.used_on < %(ends_on)s AND day.cutoff <= cut.cutoff)
        OR EXISTS (
            SELECT FROM billing_void AS void
            JOIN billing_document AS document ON document.id = void.document_id
            WHERE void.agency_id = pair.agency_id
              AND document.payer_id = pair.payer_id
              AND void.cutoff > open.billed_cutoff AND void.cutoff <= cut.cutoff))
"""
PAYERS_TO_BILL = PLANNED_PAYERS.format(cuts="seats_cutoffcounter")
INSERT_PLAN = f"""
    INSERT INTO billing_runitem (run_id, payer_id, state, attempts, next_attempt_at,
                                 code, last_error, documents)
    SELECT %(run)s, payer_id, 'pending', 0, %(now)s::timestamptz, '', '', 0
    FROM ({
    PLANNED_PAYERS.format(cuts="(SELECT * FROM billing_runcut WHERE run_id = %(run)s)")
}) AS planned
    ON CONFLICT (run_id, payer_id) DO NOTHING
"""

# Drafts in the order given, with their ids, in one statement. JSON columns come as one array
# each, since the elements of a jsonb[] would have to be quoted twice.
INSERT_DRAFTS = """
    INSERT INTO billing_document (
        payer_id, kind, state, month, currency, price_list_id, price_list_hash,
        subtotal, tax, total, parties, cutoffs, run_id, created_at, review_until,
        hash, previous_hash)
    SELECT payer_id, kind, 'draft', month, currency, price_list_id, price_list_hash,
           total, 0, total, parties, cutoffs, %(run)s, %(now)s, %(review_until)s,
           '', ''
    FROM ROWS FROM (
        unnest(%(payers)s::bigint[], %(kinds)s::text[], %(months)s::date[],
               %(currencies)s::text[], %(lists)s::bigint[], %(hashes)s::text[],
               %(totals)s::numeric[]),
        jsonb_array_elements(%(parties)s::jsonb),
        jsonb_array_elements(%(cutoffs)s::jsonb))
        WITH ORDINALITY AS d(payer_id, kind, month, currency, price_list_id,
                             price_list_hash, total, parties, cutoffs, n)
    ORDER BY n
    RETURNING id, public_id
"""

# By agency and thing, the seat days of each holder and the billable usage of each agent. What
# was taken back may leave an agent with nothing.
AGENT_USE = """
    SELECT agency_id, thing, agent_id, quantity FROM (
        SELECT agency_id, %(seats)s AS thing, agent_id,
               sum(least(coalesce(ends_on, %(end)s), %(end)s)
                   - greatest(starts_on, %(month)s)) AS quantity
        FROM seats_seatholding
        WHERE agency_id = ANY(%(agencies)s::bigint[]) AND starts_on < %(end)s
          AND (ends_on IS NULL OR ends_on > %(month)s)
        GROUP BY agency_id, agent_id
        UNION ALL
        SELECT day.agency_id, meter.code, day.agent_id, day.quantity
        FROM unnest(%(agencies)s::bigint[]) AS shown(agency_id)
        CROSS JOIN LATERAL (
            SELECT agency_id, meter_id, agent_id, sum(billable) AS quantity
            FROM billing_usageday
            WHERE agency_id = shown.agency_id
              AND used_on >= %(month)s AND used_on < %(end)s
            GROUP BY agency_id, meter_id, agent_id) AS day
        JOIN billing_meter AS meter ON meter.id = day.meter_id
    ) AS used
    WHERE quantity > 0
    ORDER BY agency_id, thing, agent_id
    LIMIT %(limit)s
"""
