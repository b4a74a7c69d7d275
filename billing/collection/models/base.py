"""Abstract models of attempts to move money at a processor, and of their history."""

from django.db import models

from billing.processors.domain import attempt_states
from core.postgres.columns import UUID7


class Attempt(models.Model):
    """An attempt to move money; its public id is the idempotency key at the processor."""

    OPEN = list(attempt_states.OPEN)

    public_id = models.UUIDField(
        db_default=UUID7(),
        unique=True,
        editable=False,
        help_text="Idempotency key of the attempt at the processor.",
    )
    processor = models.ForeignKey(
        "billing.PaymentProcessor", models.PROTECT, related_name="+"
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    actor = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=16, default="created")
    changed_at = models.DateTimeField(help_text="When the state was last set.")
    error = models.CharField(max_length=200, blank=True)
    reference = models.CharField(
        max_length=200,
        blank=True,
        help_text="The processor's id of the charge or refund.",
    )
    sends = models.IntegerField(
        default=0, help_text="Number of calls that may have moved money."
    )
    lookups = models.IntegerField(
        default=0, help_text="Number of times the outcome was looked up."
    )
    first_sent_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(
        help_text="When it is next sent or looked up; during a call, when the lease ends."
    )
    reported_at = models.DateTimeField(
        null=True, help_text="When staff was notified that the outcome is unknown."
    )
    closed_by = models.CharField(
        max_length=200,
        blank=True,
        help_text="Who closed it by hand. Empty if its outcome is the processor's.",
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"Attempt {self.public_id}"


class StateChange(models.Model):
    """A state that a row reached; a database trigger appends one with each change."""

    state = models.CharField(max_length=16)
    error = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.state
