"""Accounts of payers, payer shares, suspensions, and how far billing has come."""

from django.db import models
from django.db.models import Q

from core.audit import audited
from seats.models import Agency


@audited()
class BillingAccount(models.Model):
    """A payer's billing details, its next document number and its latest document hash.

    Services lock this row to lock the payer.
    """

    payer = models.OneToOneField(
        Agency, models.PROTECT, primary_key=True, related_name="billing_account"
    )
    billing_name = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    email = models.EmailField(blank=True)
    tax_id = models.CharField("tax id", max_length=64, blank=True)
    next_number = models.PositiveIntegerField(default=1, editable=False)
    last_hash = models.CharField(max_length=64, blank=True, editable=False)

    class Meta:
        permissions = [
            ("suspend_billingaccount", "Can suspend outbound calls"),
            ("lift_billingaccount", "Can allow outbound calls again"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(next_number__gte=1), name="numbers_start_at_one"
            )
        ]

    def __str__(self) -> str:
        return f"Account of {self.payer.code}"


@audited()
class AccountStanding(models.Model):
    """A suspension of an agency's outbound calls, or its end. Rows are only appended.

    The newest row of each cause holds. Calls are allowed while no cause suspends them.
    """

    class Cause(models.TextChoices):
        STAFF = "staff"
        DUNNING = "dunning"

    class Standing(models.TextChoices):
        GOOD = "good"
        SUSPENDED = "suspended"

    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="standings", db_index=False
    )
    standing = models.CharField(max_length=9, choices=Standing)
    cause = models.CharField(max_length=8, choices=Cause, default=Cause.STAFF)
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=200)
    since = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["agency", "-id"], name="newest_standing")]

    def __str__(self) -> str:
        return f"{self.agency.code} {self.standing} since {self.since:%Y-%m-%d}"


@audited()
class PayerShareSet(models.Model):
    """Who pays an agency's charges from a local date on. Rows are only appended.

    Of several sets for one date, the newest holds. Without any, the agency pays.
    `cutoff` is the agency's cut-off at which the set was recorded.
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="share_sets")
    starts_on = models.DateField()
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True)
    cutoff = models.BigIntegerField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["agency", "starts_on", "id"]
        indexes = [
            models.Index(fields=["agency", "cutoff"], name="share_set_by_cutoff")
        ]

    def __str__(self) -> str:
        return f"Shares of {self.agency.code} from {self.starts_on}"


@audited()
class PayerShare(models.Model):
    """One payer's percentage in a set; the percentages of a set sum to 100."""

    share_set = models.ForeignKey(PayerShareSet, models.PROTECT, related_name="shares")
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    percent = models.DecimalField(max_digits=9, decimal_places=6)

    class Meta:
        ordering = ["share_set", "payer"]
        constraints = [
            models.UniqueConstraint(
                fields=["share_set", "payer"], name="one_share_per_payer"
            ),
            models.CheckConstraint(
                condition=Q(percent__gt=0, percent__lte=100),
                name="share_is_a_part_of_the_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % by {self.payer.code}"


class Watermark(models.Model):
    """The cut-off and month up to which an agency's charges are billed to a payer."""

    payer = models.ForeignKey(Agency, models.PROTECT, related_name="watermarks")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    billed_cutoff = models.BigIntegerField()
    billed_through = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["payer", "agency"], name="one_watermark_per_payer_and_agency"
            ),
            models.CheckConstraint(
                condition=Q(billed_through__day=1), name="billed_through_is_a_month"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agency_id} billed to {self.payer_id}: {self.billed_through}"
