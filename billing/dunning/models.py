"""Dunning cases (one open case per payer), their steps, and holds by staff."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Least

from billing.collection.models.attempts import PaymentAttempt
from billing.invoicing.models.documents import Document
from core.audit import audited
from core.postgres.columns import UUID7
from seats.models import Agency


class DunningCase(models.Model):
    """A payer with invoices that could not be charged, or are past their due date.

    The row is the queue. It is only changed while the payer's account is locked.
    """

    class State(models.TextChoices):
        RETRYING = "retrying", "retrying: is charged again"
        WAITING = "waiting", "waiting for another payment method"
        OVERDUE = "overdue", "overdue: suspended when the grace is over"
        SUSPENDED = "suspended"
        CLOSED = "closed"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="dunning_cases")
    invoice = models.ForeignKey(
        Document,
        models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="The oldest invoice of the case.",
    )
    state = models.CharField(max_length=16, choices=State)
    since = models.DateTimeField(help_text="When the case entered this state.")
    retries = models.PositiveSmallIntegerField(
        default=0, help_text="Retries planned so far."
    )
    retry_at = models.DateTimeField(null=True)
    escalate_at = models.DateTimeField(
        null=True, help_text="When the case becomes overdue, or calls are suspended."
    )
    next_step_at = models.GeneratedField(
        expression=Least("retry_at", "escalate_at"),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("hold_dunningcase", "Can hold dunning of a payer"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["payer"],
                condition=Q(closed_at=None),
                name="one_open_dunning_case_per_payer",
            ),
            models.CheckConstraint(
                condition=Q(state="closed", closed_at__isnull=False)
                | ~Q(state="closed") & Q(closed_at__isnull=True),
                name="dunning_case_closed_at_matches_state",
            ),
            models.CheckConstraint(
                condition=Q(state="retrying")
                | Q(state="waiting", escalate_at__isnull=False, retry_at__isnull=True)
                | Q(state="overdue", escalate_at__isnull=False)
                | Q(state="suspended", escalate_at__isnull=True)
                | Q(state="closed", escalate_at__isnull=True, retry_at__isnull=True),
                name="dunning_case_times_match_state",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_step_at"],
                condition=Q(closed_at=None),
                name="dunning_due",
            ),
        ]

    def __str__(self) -> str:
        return f"Dunning of {self.payer.code} since {self.opened_at:%Y-%m-%d}"


class DunningStep(models.Model):
    """A step of a case; appended, never changed."""

    class Kind(models.TextChoices):
        STARTED = "started"
        RETRY_SCHEDULED = "retry_scheduled"
        RETRIED = "retried"
        METHOD_NEEDED = "payment_method_needed"
        OVERDUE = "overdue"
        SUSPENDED = "suspended"
        LIFTED = "lifted", "allowed to dial again"
        HELD = "held", "held by staff"
        ENDED = "ended"

    case = models.ForeignKey(DunningCase, models.PROTECT, related_name="steps")
    kind = models.CharField(max_length=24, choices=Kind)
    invoice = models.ForeignKey(
        Document, models.PROTECT, related_name="+", db_index=False
    )
    attempt = models.ForeignKey(
        PaymentAttempt, models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    next_at = models.DateTimeField(null=True, help_text="When the next step is due.")
    note = models.CharField(max_length=500, blank=True)
    actor = models.CharField(max_length=200)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d}"


@audited()
class DunningHold(models.Model):
    """A pause of a payer's dunning until an instant; appended, the newest counts."""

    payer = models.ForeignKey(Agency, models.PROTECT, related_name="dunning_holds")
    until = models.DateTimeField()
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=200)
    held_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.payer.code} held until {self.until:%Y-%m-%d %H:%M} UTC"
