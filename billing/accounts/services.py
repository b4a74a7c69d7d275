"""Saying who pays."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from billing.accounts.models import (
    Account,
    AccountStanding,
    PayerShare,
    PayerShareSet,
)
from billing.webhooks.services import NewEvent, publish
from seats.cutoffs.models import Books
from seats.cutoffs.services import stamp_facts
from seats.errors import ReasonMissing, Refusal
from seats.models import Agency
from seats.periods import next_month

Standing = AccountStanding.Standing
SMALLEST_SHARE = Decimal("0.000001")  # percent; what the database can hold


class SharesNotWhole(Refusal):
    code = "shares_not_whole"


class MonthCutOff(Refusal):
    code = "month_cut_off"


class OtherCurrency(Refusal):
    code = "other_currency"


def set_payer_shares(
    *,
    agency: Agency,
    shares: Mapping[Agency, Decimal],
    starts_on: date,
    actor: str,
    now: datetime,
    reason: str = "",
) -> PayerShareSet:
    """From a local date on, these payers carry an agency's charges, in percent.

    Holds until the next set. Raises SharesNotWhole, OtherCurrency, MonthCutOff.
    Repeating appends the same set again and changes nothing.
    """
    for percent in shares.values():
        fits = percent.is_finite() and 0 < percent <= 100
        if not fits or percent % SMALLEST_SHARE:
            message = "Shares are above 0 and have at most 6 decimal places."
            raise SharesNotWhole(message, field="shares")
    if sum(shares.values()) != 100:
        raise SharesNotWhole("Shares sum to 100 %.", field="shares")
    for payer in shares:
        if payer.currency != agency.currency:
            raise OtherCurrency(
                f"{payer.code} pays in {payer.currency}, not {agency.currency}.",
                field="shares",
            )
    with transaction.atomic():
        cutoff = stamp_facts([agency.pk])[agency.pk]
        closed = Books.objects.get(agency=agency).closed_through
        if closed and starts_on < next_month(closed):
            raise MonthCutOff(
                f"{agency.code} is closed through {closed:%B %Y}.", field="starts_on"
            )
        share_set = PayerShareSet.objects.create(
            agency=agency,
            starts_on=starts_on,
            actor=actor,
            reason=reason,
            cutoff=cutoff,
            recorded_at=now,
        )
        PayerShare.objects.bulk_create(
            PayerShare(share_set=share_set, payer=payer, percent=percent)
            for payer, percent in shares.items()
        )
        publish([_shares_changed(agency, share_set, shares)], now=now)
    return share_set


def _shares_changed(
    agency: Agency, share_set: PayerShareSet, shares: Mapping[Agency, Decimal]
) -> NewEvent:
    return NewEvent(
        agency.pk,
        "payer_shares.changed",
        f"payer_shares:{share_set.pk}",
        {
            "agency": agency.code,
            "starts_on": share_set.starts_on.isoformat(),
            "shares": {
                payer.code: f"{Decimal(percent):.6f}"
                for payer, percent in sorted(
                    shares.items(), key=lambda share: share[0].code
                )
            },
            "actor": share_set.actor,
            "reason": share_set.reason,
            "cutoff": share_set.cutoff,
        },
    )


def open_account(*, agency: Agency, **details: str) -> Account:
    """The account of a new agency, in the transaction that adds it."""
    return Account.objects.create(
        payer=agency, **{"billing_name": agency.name, **details}
    )


def suspend_outbound(
    *, agency: Agency, reason: str, actor: str, now: datetime
) -> AccountStanding | None:
    """From now on nobody of this agency may dial; None where that is so already.

    Raises ReasonMissing.
    """
    return _stand(agency, Standing.SUSPENDED, reason, actor, now)


def lift_suspension(
    *, agency: Agency, reason: str, actor: str, now: datetime
) -> AccountStanding | None:
    """From now on they may again; None where they may already. Raises ReasonMissing."""
    return _stand(agency, Standing.GOOD, reason, actor, now)


STANDING_EVENTS = {
    Standing.SUSPENDED: "account.outbound_suspended",
    Standing.GOOD: "account.suspension_lifted",
}


def _stand(
    agency: Agency,
    standing: AccountStanding.Standing,
    reason: str,
    actor: str,
    now: datetime,
) -> AccountStanding | None:
    """Append a standing if it differs from the one that holds, and announce it."""
    if not reason.strip():
        raise ReasonMissing("Say why.", field="reason")
    with transaction.atomic():
        Account.objects.select_for_update(no_key=True).get(payer=agency)
        rows = AccountStanding.objects.filter(agency=agency).order_by("-id")
        held = rows.values_list("standing", flat=True).first() or Standing.GOOD
        if held == standing:
            return None
        row = AccountStanding.objects.create(
            agency=agency, standing=standing, reason=reason, actor=actor, since=now
        )
        payload = {
            "agency": agency.code,
            "standing": str(standing),
            "reason": reason,
            "actor": actor,
        }
        kind = STANDING_EVENTS[standing]
        publish([NewEvent(agency.pk, kind, f"account:{agency.code}", payload)], now=now)
    return row
