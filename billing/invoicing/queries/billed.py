"""Reads what has been billed: the sums of the lines of documents that are not void."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal

from django.db import connection

from billing.invoicing.domain.charges import ChargeKey
from core.postgres.arrays import columns

# A void counts only from its own cut-off on, so that a document made at an earlier
# cut-off can be recomputed.
BILLED = """
    SELECT line.payer_id, line.agency_id, line.month, meter.code, sum(line.amount)
    FROM unnest(%s::bigint[], %s::bigint[], %s::date[], %s::bigint[])
        AS wanted(payer_id, agency_id, month, cutoff)
    JOIN billing_documentline AS line
        USING (payer_id, agency_id, month)
    LEFT JOIN billing_meter AS meter ON meter.id = line.meter_id
    WHERE NOT EXISTS (
        SELECT FROM billing_void AS void
        WHERE void.document_id = line.document_id
          AND void.agency_id = line.agency_id AND void.cutoff <= wanted.cutoff)
    GROUP BY line.payer_id, line.agency_id, line.month, meter.code
"""


def billed_amounts(
    lookups: Collection[tuple[int, int, date, int]],
) -> dict[int, dict[ChargeKey, Decimal]]:
    """Billed amounts by payer id and charge key, as of a cut-off.

    Each lookup is (payer id, agency id, month, cut-off).
    """
    billed: dict[int, dict[ChargeKey, Decimal]] = {}
    with connection.cursor() as cursor:
        cursor.execute(BILLED, columns(lookups, 4))
        for payer_id, agency_id, month, meter, amount in cursor.fetchall():
            billed.setdefault(payer_id, {})[ChargeKey(agency_id, month, meter)] = amount
    return billed
