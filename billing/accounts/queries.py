"""Reading payers."""

from collections.abc import Collection
from fractions import Fraction

from billing.accounts.models import PayerShare
from billing.accounts.shares import ShareSet


def share_sets_of(agency_ids: Collection[int]) -> dict[int, list[ShareSet]]:
    """Every share set recorded for these agencies, by agency id, in one query."""
    found: dict[int, dict[int, ShareSet]] = {}
    rows = PayerShare.objects.filter(share_set__agency__in=agency_ids).select_related(
        "share_set"
    )
    for row in rows.order_by("share_set_id", "payer_id"):
        known = row.share_set
        share_set = found.setdefault(known.agency_id, {}).setdefault(
            known.pk, ShareSet(known.pk, known.starts_on, known.cutoff, {})
        )
        share_set.shares[row.payer_id] = Fraction(row.percent) / 100  # type: ignore[index]
    return {agency: list(sets.values()) for agency, sets in found.items()}
