"""The outbox: what the world will want to hear of, in order, without holes."""

from django.db import models

from seats.columns import UUID7
from seats.models import Agency


class OutboxStream(models.Model):
    """The sequence counter of one receiver: an agency, or the platform itself."""

    agency = models.OneToOneField(Agency, models.PROTECT, null=True, blank=True)
    last_sequence = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agency"], name="one_stream_per_agency", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"Stream of {self.agency_id or 'the platform'}"


class OutboxEvent(models.Model):
    """One event, written in the transaction of its fact."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    stream = models.ForeignKey(
        OutboxStream, models.PROTECT, related_name="events", db_index=False
    )
    sequence = models.BigIntegerField()
    type = models.CharField(max_length=64)
    subject = models.CharField(
        max_length=120, help_text="The object the event is about; its order is kept."
    )
    payload = models.JSONField()
    occurred_at = models.DateTimeField()

    class Meta:
        ordering = ["stream", "sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["stream", "sequence"], name="one_event_per_sequence_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"
