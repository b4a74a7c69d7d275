-- The month in one set-based statement: prices and stores the same lines, with the
-- same tables, indexes, constraints and triggers, but without numbers, hashes, outbox,
-- watermarks, names, or any difference to what was billed before.
WITH bounds AS (
    SELECT %(month)s::date AS first_day, (%(month)s::date + interval '1 month')::date AS end_day
), seat_days AS (
    SELECT version.agency_id,
           sum(least(coalesce(version.removed_on, end_day), end_day)
               - greatest(version.added_on, first_day)) AS days
    FROM bounds, (
        SELECT DISTINCT ON (seat_id) * FROM seats_seatversion
        WHERE cutoff <= %(cutoff)s ORDER BY seat_id, number DESC
    ) AS version
    WHERE NOT version.cancelled AND version.added_on < end_day
      AND coalesce(version.removed_on, end_day) > first_day
    GROUP BY version.agency_id
), used AS (
    SELECT day.agency_id, day.meter_id, sum(day.raw) AS raw, sum(day.billable) AS billable
    FROM bounds, billing_usageday AS day
    WHERE day.used_on >= first_day AND day.used_on < end_day AND day.cutoff <= %(cutoff)s
    GROUP BY day.agency_id, day.meter_id
), line AS (
    SELECT agency_id, NULL::bigint AS meter_id, days::numeric AS raw,
           days::numeric AS billable, days::numeric AS quantity, 0::numeric AS included,
           list.seat_price AS unit_price, list.id AS list_id,
           round(list.seat_price * days / (end_day - first_day), 2) AS amount
    FROM seat_days, bounds, billing_pricelist AS list WHERE list.id = %(list)s
    UNION ALL
    SELECT used.agency_id, used.meter_id, used.raw, used.billable,
           used.billable / rate.unit_size,
           least(used.billable / rate.unit_size,
                 rate.included_per_seat * coalesce(days, 0) / (end_day - first_day)),
           rate.unit_price, rate.price_list_id,
           round((used.billable / rate.unit_size
                  - least(used.billable / rate.unit_size,
                          rate.included_per_seat * coalesce(days, 0)
                          / (end_day - first_day))) * rate.unit_price, 2)
    FROM used CROSS JOIN bounds
    JOIN billing_rate AS rate
        ON rate.meter_id = used.meter_id AND rate.price_list_id = %(list)s
    LEFT JOIN seat_days USING (agency_id)
), document AS (
    INSERT INTO billing_document (
        payer_id, kind, state, month, currency, price_list_id, price_list_hash,
        subtotal, tax, total, parties, cutoffs, created_at, hash, previous_hash)
    SELECT agency_id, 'invoice', 'draft', first_day, 'USD', %(list)s, '',
           sum(amount), 0, sum(amount), '{}', '{}', now(), '', ''
    FROM line, bounds GROUP BY agency_id, first_day
    RETURNING id, payer_id
)
INSERT INTO billing_documentline (
    document_id, position, payer_id, agency_id, month, late, kind, meter_id,
    price_list_id, description, raw, billable, quantity, included, unit_price, charge,
    amount_before, amount_now, amount, tax)
SELECT document.id,
       row_number() OVER (PARTITION BY document.id ORDER BY meter.code NULLS FIRST),
       line.agency_id, line.agency_id, first_day, false,
       CASE WHEN line.meter_id IS NULL THEN 'seat' ELSE 'usage' END, line.meter_id,
       line.list_id, coalesce(meter.name, 'Seats'), line.raw, line.billable,
       line.quantity, line.included, line.unit_price, line.amount, 0, line.amount,
       line.amount, 0
FROM line
JOIN document ON document.payer_id = line.agency_id
LEFT JOIN billing_meter AS meter ON meter.id = line.meter_id
CROSS JOIN bounds
