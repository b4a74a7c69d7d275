"""Support that acts as a member, and owners who allow it to make changes."""

from datetime import timedelta

from django.db import models
from django.db.models import F, Q

from core.audit import audited
from core.postgres.columns import UUID7, Check
from seats.agencies.models import Agency

LONGEST = timedelta(minutes=60)


@audited()
class SupportSession(models.Model):
    """A staff user acts as a member of an agency, until `ended_at` or `expires_at`.

    The member's own sessions are not touched; this is a state of the staff user's.
    """

    class Ending(models.TextChoices):
        ENDED = "ended", "ended by support"
        LOGGED_OUT = "logged_out", "support logged out"
        EXPIRED = "expired", "ended after 60 minutes"
        REFUSED = "refused", "ended because somebody may no longer do this"

    may_change = False  # whether an owner allows changes now; set by `current_session`

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    staff = models.ForeignKey("seats.User", models.PROTECT, related_name="+")
    user = models.ForeignKey("seats.User", models.PROTECT, related_name="+")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=16, choices=Ending, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(staff=F("user")), name="support_acts_as_somebody_else"
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="support_session_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ending="")
                | (Q(ended_at__isnull=False) & ~Q(ending="")),
                name="support_session_ends_somehow",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("started_at")),
                name="support_session_expires_after_its_start",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.staff} as {self.user} of {self.agency.code}"


@audited()
class SupportView(models.Model):
    """A page that support opened while acting as a member; appended, never edited."""

    session = models.ForeignKey(SupportSession, models.PROTECT, related_name="views")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_index=False)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=500)
    http_status = models.PositiveSmallIntegerField()
    viewed_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@audited()
class SupportAccess(models.Model):
    """An owner allows support that acts as a member to make changes, up to an instant."""

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="support_access")
    allowed_by = models.ForeignKey("seats.User", models.PROTECT, related_name="+")
    allowed_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "support access"
        verbose_name_plural = "support access"
        constraints = [
            models.UniqueConstraint(
                fields=["agency"],
                condition=Q(ended_at=None),
                name="support_access_open_agency_unique",
            ),
            Check(
                condition=Q(until__gt=F("allowed_at")),
                name="support_access_ends_after_its_start",
                field="until",
                says="Choose a time that is still to come.",
            ),
        ]

    def __str__(self) -> str:
        return f"Changes by support at {self.agency.code}"
