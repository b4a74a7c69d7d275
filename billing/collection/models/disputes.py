"""Disputes: payments that the payer's bank takes back, or may."""

from django.db import models
from django.db.models import Q

from billing.processors.models import PaymentProcessor
from billing.receivables.models import Payment
from core.postgres.columns import BELOW, UUID7


class Dispute(models.Model):
    """A dispute: the payer's bank takes a payment back, or may do so.

    From `opened_at` the amount is withheld until the dispute is won; an inquiry withholds
    nothing. A lost dispute counts as returned money. `amount` is positive.
    """

    class State(models.TextChoices):
        INQUIRY = "inquiry"
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="disputes")
    processor = models.ForeignKey(PaymentProcessor, models.PROTECT, related_name="+")
    reference = models.CharField(
        max_length=200, help_text="The processor's id of the dispute."
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16, choices=State)
    reason = models.CharField(max_length=200, blank=True)
    reported_at = models.DateTimeField(
        help_text="When the processor reported the state."
    )
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor", "reference"], name="a_dispute_counts_once"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_dispute_is_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(state="inquiry", opened_at=None, closed_at=None)
                | Q(state="open", opened_at__isnull=False, closed_at=None)
                | Q(state="won", closed_at__isnull=False)
                | Q(state="lost", opened_at__isnull=False, closed_at__isnull=False),
                name="dispute_dates_match_state",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class DisputeChange(models.Model):
    """A state that a dispute reached; appended by a database trigger."""

    dispute = models.ForeignKey(Dispute, models.PROTECT, related_name="changes")
    state = models.CharField(max_length=16)
    reason = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.state
