"""Recording who pays, and suspending outbound calls."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from billing.accounts.domain.shares import MonthCutOff, OtherCurrency, SharesNotWhole
from billing.accounts.domain.webhook_events import (
    OutboundSuspended,
    PayerSharesChanged,
    StandingChanged,
    SuspensionLifted,
)
from billing.accounts.models import (
    AccountStanding,
    BillingAccount,
    PayerShare,
    PayerShareSet,
)
from billing.webhooks.services.outbox import publish
from core.errors import ReasonMissing
from core.periods import next_month
from seats.agencies.queries.limits import require_near
from seats.cutoffs.models import CutoffCounter
from seats.cutoffs.services import stamp_facts
from seats.models import Agency

Standing, Cause = AccountStanding.Standing, AccountStanding.Cause
SMALLEST_SHARE = Decimal("0.000001")  # percent; what the database can hold


def set_payer_shares(
    *,
    agency: Agency,
    shares: Mapping[Agency, Decimal],
    starts_on: date,
    actor: str,
    now: datetime,
    reason: str = "",
) -> PayerShareSet:
    """Record who pays an agency's charges, in percent, from a local date on.

    Raises SharesNotWhole, OtherCurrency, MonthCutOff, TooFarAhead. Repeating appends
    the same set again and changes nothing.
    """
    require_near(starts_on, agency_ids=[agency.pk], now=now, field="starts_on")
    _validate_shares(agency, shares)
    with transaction.atomic():
        cutoff = stamp_facts([agency.pk])[agency.pk]
        closed = CutoffCounter.objects.get(agency=agency).closed_through
        if closed and starts_on < next_month(closed):
            raise MonthCutOff(
                f"{agency.code} is closed through {closed:%Y-%m}, and the shares would"
                f" start on {starts_on}. Choose {next_month(closed)} or later.",
                field="starts_on",
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
        publish(_shares_changed(agency, share_set, shares), now=now)
    return share_set


def _validate_shares(agency: Agency, shares: Mapping[Agency, Decimal]) -> None:
    """Raises SharesNotWhole, OtherCurrency."""
    for payer, percent in shares.items():
        fits = percent.is_finite() and 0 < percent <= 100
        if not fits or percent % SMALLEST_SHARE:
            raise SharesNotWhole(
                f"The share of {payer.code} is {percent} %. A share must be above 0 and"
                " at most 100, with at most 6 decimal places.",
                field="shares",
            )
    total = sum(shares.values())
    if total != 100:
        raise SharesNotWhole(
            f"The shares sum to {total} %. They must sum to 100 %.", field="shares"
        )
    for payer in shares:
        if payer.currency != agency.currency:
            raise OtherCurrency(
                f"{payer.code} pays in {payer.currency}, but {agency.code} is billed in"
                f" {agency.currency}. Choose a payer with the same currency.",
                field="shares",
            )


def _shares_changed(
    agency: Agency, share_set: PayerShareSet, shares: Mapping[Agency, Decimal]
) -> PayerSharesChanged:
    by_code = sorted(shares.items(), key=lambda share: share[0].code)
    return PayerSharesChanged(
        agency_id=agency.pk,
        subject=f"payer_shares:{share_set.pk}",
        agency=agency.code,
        starts_on=share_set.starts_on,
        shares={payer.code: f"{Decimal(percent):.6f}" for payer, percent in by_code},
        actor=share_set.actor,
        reason=share_set.reason,
        cutoff=share_set.cutoff,
    )


def open_account(*, agency: Agency, **details: str) -> BillingAccount:
    """Create the account of a new agency, in the transaction that adds it."""
    return BillingAccount.objects.create(
        payer=agency, **{"billing_name": agency.name, **details}
    )


def suspend_outbound(
    *, agency: Agency, reason: str, actor: str, now: datetime
) -> AccountStanding | None:
    """Stop an agency's outbound calls from now on; None if staff already stopped them.

    Raises ReasonMissing. Safe to repeat.
    """
    rows = record_standing(
        agencies=[agency],
        standing=Standing.SUSPENDED,
        causes=[Cause.STAFF],
        reason=reason,
        actor=actor,
        now=now,
    )
    return rows[0] if rows else None


def lift_suspension(
    *, agency: Agency, reason: str, actor: str, now: datetime
) -> AccountStanding | None:
    """Allow outbound calls again, whatever stopped them; None if nothing did.

    Raises ReasonMissing. Safe to repeat.
    """
    rows = record_standing(
        agencies=[agency],
        standing=Standing.GOOD,
        causes=list(Cause),
        reason=reason,
        actor=actor,
        now=now,
    )
    return rows[0] if rows else None


STANDING_EVENTS: Mapping[AccountStanding.Standing, type[StandingChanged]] = {
    Standing.SUSPENDED: OutboundSuspended,
    Standing.GOOD: SuspensionLifted,
}


def record_standing(
    *,
    agencies: Sequence[Agency],
    standing: AccountStanding.Standing,
    causes: Sequence[AccountStanding.Cause],
    reason: str,
    actor: str,
    now: datetime,
) -> list[AccountStanding]:
    """Append a row for each agency and cause whose standing changes; return these rows.

    One cause is enough to suspend. An event is published for each agency whose outbound
    calls stop, or are allowed again. Raises ReasonMissing. Safe to repeat.
    """
    if not reason.strip():
        verb = "suspending" if standing == Standing.SUSPENDED else "allowing"
        message = f"Enter a reason for {verb} outbound calls."
        raise ReasonMissing(message, field="reason")
    ids = [agency.pk for agency in agencies]
    with transaction.atomic():
        accounts = BillingAccount.objects.select_for_update(no_key=True)
        list(accounts.filter(payer__in=ids).order_by("payer_id"))
        before = _suspended_by(ids)
        rows = [
            AccountStanding(
                agency=agency, standing=standing, cause=cause, reason=reason,
                actor=actor, since=now,
            )
            for agency in agencies
            for cause in causes
            if (cause in before[agency.pk]) != (standing == Standing.SUSPENDED)
        ]  # fmt: skip
        created = AccountStanding.objects.bulk_create(rows)
        after = _suspended_by(ids)
        changed = [
            agency
            for agency in agencies
            if bool(before[agency.pk]) != bool(after[agency.pk])
        ]
        events = [
            _standing_event(agency, standing, reason, actor) for agency in changed
        ]
        publish(*events, now=now)
    return created


def _suspended_by(agency_ids: Sequence[int]) -> dict[int, set[str]]:
    """The causes that suspend each agency."""
    causes: dict[int, set[str]] = {agency_id: set() for agency_id in agency_ids}
    rows = AccountStanding.objects.filter(agency__in=agency_ids)
    newest = rows.order_by("agency", "cause", "-id").distinct("agency", "cause")
    for agency_id, cause, standing in newest.values_list("agency", "cause", "standing"):
        if standing == Standing.SUSPENDED:
            causes[agency_id].add(cause)
    return causes


def _standing_event(
    agency: Agency, standing: AccountStanding.Standing, reason: str, actor: str
) -> StandingChanged:
    return STANDING_EVENTS[standing](
        agency_id=agency.pk,
        subject=f"account:{agency.code}",
        agency=agency.code,
        standing=standing,
        reason=reason,
        actor=actor,
    )
