"""Models of verification runs and of the findings that they record."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from billing.invoicing.models.documents import Document
from billing.pricing.models import PriceList
from core.postgres.columns import UUID7
from seats.models import Agency


class VerificationRun(models.Model):
    """One verification pass over the books. While it runs, it renews a lease."""

    class Kind(models.TextChoices):
        FULL = "full"
        INCREMENTAL = "incremental"

    class State(models.TextChoices):
        RUNNING = "running"
        FINISHED = "finished"
        FAILED = "failed"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    actor = models.CharField(max_length=200)
    started_at = models.DateTimeField(help_text="The snapshot is taken after this.")
    finished_at = models.DateTimeField(null=True)
    leased_until = models.DateTimeField(null=True)
    since = models.DateTimeField(
        null=True, help_text="An incremental pass checks what was recorded after this."
    )
    findings = models.PositiveIntegerField(
        default=0, help_text="Differences seen, including those already recorded."
    )
    opened = models.PositiveIntegerField(default=0, help_text="New findings.")
    resolved = models.PositiveIntegerField(default=0, help_text="Findings that ended.")
    pending_facts = models.PositiveIntegerField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(state="running"),
                name="one_running_verification_per_kind",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="running", finished_at=None, leased_until__isnull=False
                )
                | ~Q(state="running") & Q(finished_at__isnull=False, leased_until=None),
                name="a_running_verification_has_a_lease",
            ),
        ]
        indexes = [
            models.Index(fields=["kind", "-started_at"], name="verification_due")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.started_at:%Y-%m-%d %H:%M}"


class VerificationFinding(models.Model):
    """The differences with one code about one object, from when they were first seen.

    Until it is resolved or accepted, the documents that its scope names are not
    collected. An acceptance covers the differences in `digest`: other differences of
    the same object open a new row.
    """

    class Scope(models.TextChoices):
        DOCUMENT = "document", "the document"
        AGENCY = "agency", "documents that include the agency (and month)"
        PAYER = "payer", "every document of the payer"
        PRICE_LIST = "price_list", "documents priced with the list"
        PLATFORM = "platform", "no document"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    code = models.CharField(max_length=40)
    scope = models.CharField("holds", max_length=10, choices=Scope)
    agency = models.ForeignKey(Agency, models.PROTECT, null=True, related_name="+")
    month = models.DateField(null=True)
    document = models.ForeignKey(
        Document, models.PROTECT, null=True, related_name="findings"
    )
    price_list = models.ForeignKey(
        PriceList, models.PROTECT, null=True, related_name="+"
    )
    count = models.PositiveIntegerField(help_text="Number of differences.")
    details = ArrayField(models.TextField(), help_text="The first differences.")
    digest = models.CharField(max_length=64, help_text="SHA-256 over all differences.")
    first_run = models.ForeignKey(
        VerificationRun,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: seen right before a charge.",
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=200, blank=True)
    accepted_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-pk"]
        permissions = [("accept_verificationfinding", "Can accept a finding")]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "scope", "agency", "month", "document", "price_list"],
                condition=Q(resolved_at=None),
                nulls_distinct=False,
                name="one_open_finding_per_code_and_object",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None, accepted_by="", accepted_reason="")
                | Q(accepted_at__isnull=False)
                & ~Q(accepted_by="")
                & ~Q(accepted_reason=""),
                name="verification_finding_acceptance_complete",
            ),
            models.CheckConstraint(
                condition=Q(scope="document", document__isnull=False)
                | Q(scope__in=["agency", "payer"], agency__isnull=False)
                | Q(scope="price_list", price_list__isnull=False)
                | Q(scope="platform"),
                name="verification_finding_object_by_scope",
            ),
        ]
        indexes = [
            models.Index(
                fields=["scope"],
                condition=Q(resolved_at=None, accepted_at=None),
                name="verification_finding_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.pk}"

    @property
    def state(self) -> str:
        """open, accepted or resolved; only an open finding holds documents."""
        if self.resolved_at:
            return "resolved"
        return "accepted" if self.accepted_at else "open"
