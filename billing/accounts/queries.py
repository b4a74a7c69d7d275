"""Reading who pays for whom."""

from collections.abc import Collection
from fractions import Fraction

from django.db import connection

from billing.accounts.domain.shares import ShareSet
from billing.accounts.models import PayerShare
from core.postgres.arrays import array_text

PAID_FOR = """
    SELECT agency_id FROM billing_watermark
    WHERE payer_id = ANY(%(payers)s::bigint[]) AND agency_id <> payer_id
    UNION
    SELECT agency_id FROM billing_payershareset
    WHERE id IN (SELECT share_set_id FROM billing_payershare
                 WHERE payer_id = ANY(%(payers)s::bigint[]))
"""


def share_sets_of(agency_ids: Collection[int]) -> dict[int, list[ShareSet]]:
    """Every share set recorded for these agencies, by agency id, in one query."""
    by_agency: dict[int, dict[int, ShareSet]] = {}
    rows = PayerShare.objects.filter(share_set__agency__in=agency_ids).select_related(
        "share_set"
    )
    for row in rows.order_by("share_set_id", "payer_id"):
        stored = row.share_set
        share_set = by_agency.setdefault(stored.agency_id, {}).setdefault(
            stored.pk, ShareSet(stored.pk, stored.starts_on, stored.cutoff, {})
        )
        share_set.shares[row.payer_id] = Fraction(row.percent) / 100  # type: ignore[index]
    return {agency: list(sets.values()) for agency, sets in by_agency.items()}


def agencies_paid_for(payer_ids: Collection[int]) -> set[int]:
    """The ids of agencies whose charges these payers pay or paid, beside their own."""
    with connection.cursor() as cursor:
        cursor.execute(PAID_FOR, {"payers": array_text(payer_ids)})
        return {agency for (agency,) in cursor.fetchall()}
