"""Abstract models of attempts to move money at a processor, and of their history."""

from datetime import datetime, timedelta

from django.db import models

from billing.processors.domain import attempt_states
from core.postgres.columns import UUID7
from core.queue.models import QueueItem, QueueStates

CRASHED = "crashed: the call ended without a result"
# A pending or unknown attempt stays so while it is looked up; one that was sent is leased
# until the call ends, and never sent again without a look-up.
ATTEMPTS = QueueStates(
    waiting=("created", "pending", "unknown"),
    leased=("sent", "pending", "unknown"),
    retry="unknown",
)


class Attempt(QueueItem):
    """An attempt to move money; its public id is the idempotency key at the processor.

    The row is the queue of its calls: `attempts` counts them, `sends` and `lookups` what
    they did; one call may do both.
    """

    queue = ATTEMPTS
    claim_fields = [
        *QueueItem.claim_fields, "last_error", "changed_at", "first_sent_at", "lookups",
        "sends",
    ]  # fmt: skip

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

    def begin_attempt(
        self,
        *,
        now: datetime,
        lease: timedelta,
        sends: bool | None = None,
        looks_up: bool | None = None,
    ) -> None:
        """Count a call of this locked row, whether it sends, looks up, or both.

        By default the first call sends, and later ones look up. If the previous call
        ended without a result, its outcome is unknown from now on.
        """
        is_first = self.state == "created"
        if self.state in {"created", "sent"}:
            self.changed_at = now
            self.state = "sent" if is_first else "unknown"
            self.last_error = "" if is_first else CRASHED
        self.first_sent_at = self.first_sent_at or now
        self.sends += is_first if sends is None else sends
        self.lookups += not is_first if looks_up is None else looks_up
        super().begin_attempt(now=now, lease=lease)


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
