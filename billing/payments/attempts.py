"""What every call has in common that moves money at a processor."""

from django.db import models

from billing.payments import attempt_states
from seats.columns import UUID7


class Attempt(models.Model):
    """One try to have money moved; its id is the key under which it counts once."""

    OPEN = list(attempt_states.OPEN)

    public_id = models.UUIDField(
        db_default=UUID7(),
        unique=True,
        editable=False,
        help_text="The idempotency key.",
    )
    processor = models.ForeignKey(
        "billing.PaymentProcessor", models.PROTECT, related_name="+"
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    actor = models.CharField(max_length=200)
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=16, default="created")
    changed_at = models.DateTimeField(help_text="When the state was last said.")
    error = models.CharField(max_length=200, blank=True)
    reference = models.CharField(
        max_length=200, blank=True, help_text="The processor's id of what it did."
    )
    sends = models.IntegerField(default=0, help_text="Calls begun that may do it.")
    lookups = models.IntegerField(default=0, help_text="Times asked what became of it.")
    first_sent_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(help_text="During a call: the end of the lease.")
    reported_at = models.DateTimeField(
        null=True, help_text="When staff was notified that its outcome is unknown."
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


class Change(models.Model):
    """A state something came to; written by the database with it, and appended."""

    state = models.CharField(max_length=16)
    error = models.CharField(max_length=200, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.state
