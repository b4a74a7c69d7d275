"""Events that processors sent, kept as they came."""

from django.db import models
from django.db.models import Q

from billing.collection.models.attempts import PaymentAttempt
from billing.processors.models import PaymentProcessor
from core.postgres.columns import partial_index
from core.queue.models import QueueItem, QueueStates

EVENTS = QueueStates(waiting=("received", "waiting"), leased=("received", "waiting"))


class ProcessorEvent(QueueItem):
    """An inbound event of a processor, stored as received, once per event id.

    The row is the queue. An event that waits for its payment still does so while a
    worker looks at it, so its state stays.
    """

    queue = EVENTS

    class State(models.TextChoices):
        RECEIVED = "received"
        WAITING = "waiting", "waiting for its payment"
        DONE = "done"
        QUARANTINED = "quarantined"
        SET_ASIDE = "set_aside", "set aside: no action needed"

    processor = models.ForeignKey(
        PaymentProcessor, models.PROTECT, related_name="+", db_index=False
    )
    event_id = models.CharField(max_length=200)
    body = models.BinaryField()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    reason = models.CharField(
        max_length=200, blank=True, help_text="Who set it aside, and why."
    )
    attempt = models.ForeignKey(
        PaymentAttempt, models.PROTECT, null=True, related_name="processor_events"
    )
    payment_reference = models.CharField(
        max_length=200,
        blank=True,
        help_text="The processor's id of the payment that it waits for.",
    )
    reported_at = models.DateTimeField(
        null=True, help_text="When staff was notified that it was not processed."
    )
    conflicts = models.IntegerField(
        default=0,
        help_text="Number of refused deliveries under this id with different content.",
    )
    conflict_body = models.BinaryField(null=True)

    class Meta:
        permissions = [
            ("retry_processorevent", "Can process a processor event again"),
            ("set_aside_processorevent", "Can set a processor event aside"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor", "event_id"], name="a_processor_event_counts_once"
            ),
            EVENTS.lease_check("processor_event_lease_matches_state"),
        ]
        indexes = [
            EVENTS.due_index("processor_event_due"),
            models.Index(
                fields=["processor", "payment_reference"],
                condition=Q(state="waiting"),
                name="processor_event_waits_for",
            ),
            models.Index(
                fields=["received_at"],
                condition=Q(
                    state__in=["received", "waiting", "quarantined"], reported_at=None
                ),
                name="processor_event_unreported",
            ),
            partial_index(
                "processor_event_quarantined", "received_at", state="quarantined"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor.code} {self.event_id}"
