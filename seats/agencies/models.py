"""Agencies (the customers), their uplines and their time zones."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q

from core.audit import audited
from core.postgres.columns import UUID7, DateRangeOf, SameId


@audited()
class Agency(models.Model):
    """A customer: IMO, FMO, agency or sub-agency."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    code = models.CharField(max_length=32, unique=True)
    name = models.CharField(max_length=200)
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("move_agency", "Can put an agency below another upline"),
            ("change_zone_agency", "Can change the time zone of an agency"),
        ]
        ordering = ["code"]
        verbose_name_plural = "agencies"
        constraints = [
            models.CheckConstraint(
                condition=Q(code__regex=r"^[A-Z0-9][A-Z0-9_-]*$"),
                name="agency_code_is_plain",
            ),
            models.CheckConstraint(
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                name="agency_currency_is_iso",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


@audited()
class AgencyZone(models.Model):
    """The time zone an agency's dates follow, from a first of a month on.

    The earliest row also holds for everything before it. Rows are never changed.
    """

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="zones")
    zone = models.CharField(max_length=64)
    starts_on = models.DateField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["agency", "starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "starts_on"], name="one_zone_per_agency_and_month"
            ),
            models.CheckConstraint(
                condition=Q(starts_on__day=1), name="zone_starts_with_a_month"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.zone} from {self.starts_on}"


@audited()
class Upline(models.Model):
    """A dated edge of the agency tree. The database refuses a cycle."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="uplines")
    upline = models.ForeignKey(Agency, models.PROTECT, related_name="downlines")
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["agency", "starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gt=F("starts_on")),
                name="upline_edge_is_not_empty",
            ),
            ExclusionConstraint(
                name="one_upline_per_agency_and_date",
                expressions=[
                    (SameId("agency"), RangeOperators.OVERLAPS),
                    (DateRangeOf("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"below {self.upline} from {self.starts_on}"
