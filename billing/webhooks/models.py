"""The outbox: events in order, and the webhook endpoints they are delivered to."""

from datetime import datetime, timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from core.audit import audited
from core.postgres.columns import UUID7, partial_index
from core.queue.models import QueueItem, QueueStates
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
    """An event, written in the transaction that causes it; never changed."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    stream = models.ForeignKey(
        OutboxStream, models.PROTECT, related_name="events", db_index=False
    )
    sequence = models.BigIntegerField()
    type = models.CharField(max_length=64)
    subject = models.CharField(
        max_length=120,
        help_text="The object of the event. Events of one object are delivered in order.",
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
        indexes = [
            partial_index(
                "outbox_events_that_differ", "occurred_at", type="payments.differ"
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.subject}"


class FannedOut(models.Model):
    """Up to which sequence number a stream is fanned out to endpoints.

    The counter of a stream is locked until its event is committed, so its numbers
    become visible in order, without gaps.
    """

    stream = models.OneToOneField(OutboxStream, models.PROTECT, primary_key=True)
    through = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.stream_id} through {self.through}"


@audited()
class WebhookEndpoint(models.Model):
    """A URL that events are delivered to: those of one agency, or (None) of all."""

    # Which no page for members reads.
    secret_columns: ClassVar = ("sealed_secret", "sealed_previous")

    class State(models.TextChoices):
        ENABLED = "enabled"
        PAUSED = "paused", "paused: holds its events"
        DISABLED = "disabled", "disabled: holds its events"
        ENDED = "ended", "ended: its owner no longer reaches the agency"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(
        Agency,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="webhook_endpoints",
        help_text="Whose events are delivered, without its downline. Empty: all events.",
    )
    owner = models.ForeignKey(
        Agency,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        editable=False,
        help_text="Who added it and must reach the agency. Empty: the platform.",
    )
    url = models.CharField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    event_types = ArrayField(
        models.CharField(max_length=64),
        default=list,
        help_text="The subscribed event types. Empty: all.",
    )
    state = models.CharField(max_length=10, choices=State, default=State.ENABLED)
    reason = models.CharField(
        max_length=200, blank=True, help_text="Why the endpoint is in this state."
    )
    failing_since = models.DateTimeField(null=True)
    quiet_until = models.DateTimeField(
        null=True, help_text="The receiver is busy; nothing is sent before this."
    )
    sealed_secret = models.TextField()
    sealed_previous = models.TextField(blank=True)
    previous_until = models.DateTimeField(null=True)
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("pause_webhookendpoint", "Can pause a webhook endpoint"),
            ("resume_webhookendpoint", "Can resume a webhook endpoint"),
            ("send_test_webhookendpoint", "Can send a test event"),
            ("replay_webhookendpoint", "Can send events to an endpoint again"),
            ("rotate_webhookendpoint", "Can make a new secret for an endpoint"),
        ]
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["enabled", "paused", "disabled", "ended"]),
                name="webhook_endpoint_state_valid",
            ),
            models.CheckConstraint(
                condition=Q(deleted_at=None)
                | Q(state="disabled", sealed_secret="", sealed_previous=""),
                name="a_deleted_endpoint_has_no_secrets",
            ),
            models.CheckConstraint(
                condition=~Q(state="ended") | Q(sealed_secret="", sealed_previous=""),
                name="an_ended_endpoint_has_no_secrets",
            ),
            models.CheckConstraint(
                condition=Q(sealed_previous="", previous_until=None)
                | ~Q(sealed_previous="") & Q(previous_until__isnull=False),
                name="a_previous_secret_has_an_end",
            ),
        ]
        indexes = [
            models.Index(
                fields=["agency", "owner"],
                condition=Q(owner__isnull=False, deleted_at=None)
                & ~Q(owner=F("agency"))
                & ~Q(state="ended"),
                name="endpoint_of_an_upline",
            )
        ]

    def __str__(self) -> str:
        return self.url


DELIVERIES = QueueStates(waiting=("pending",), leased=("sending",))


class Delivery(QueueItem):
    """The delivery of an event to an endpoint. The row is the queue.

    `attempts` are all that were ever begun, and `tries` those since it was last queued.
    """

    queue = DELIVERIES
    claim_fields = [*QueueItem.claim_fields, "tries"]

    class State(models.TextChoices):
        PENDING = "pending"
        SENDING = "sending"
        DELIVERED = "delivered"
        GIVEN_UP = "given_up", "given up"

    endpoint = models.ForeignKey(
        WebhookEndpoint, models.PROTECT, related_name="deliveries", db_index=False
    )
    event = models.ForeignKey(OutboxEvent, models.PROTECT, related_name="deliveries")
    subject = models.CharField(max_length=120)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    tries = models.IntegerField(
        default=0, help_text="Attempts begun since it was last queued."
    )
    settled_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("replay_delivery", "Can send an event again"),
        ]
        verbose_name_plural = "deliveries"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint", "event"], name="one_delivery_per_endpoint_and_event"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "sending"], settled_at=None)
                | Q(state__in=["delivered", "given_up"], settled_at__isnull=False),
                name="delivery_settled_at_matches_state",
            ),
            DELIVERIES.lease_check("delivery_lease_matches_state"),
        ]
        indexes = [
            DELIVERIES.due_index(
                "delivery_due", ["endpoint", "next_attempt_at", "event"]
            ),
            models.Index(
                fields=["endpoint", "subject", "event"],
                condition=Q(state__in=["pending", "sending"]),
                name="delivery_open_by_subject",
            ),
            models.Index(
                fields=["endpoint"], condition=Q(state="sending"), name="delivery_sent"
            ),
            models.Index(
                fields=["settled_at"],
                condition=Q(state="delivered"),
                name="delivery_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.pk}"

    def begin_attempt(self, *, now: datetime, lease: timedelta) -> None:
        super().begin_attempt(now=now, lease=lease)
        self.tries += 1


class DeliveryAttempt(models.Model):
    """A request that was made for a delivery, with the response or the error."""

    delivery = models.ForeignKey(
        Delivery, models.CASCADE, related_name="log", db_index=False
    )
    number = models.IntegerField()
    made_at = models.DateTimeField(db_index=True)
    http_status = models.IntegerField(null=True)
    latency_ms = models.IntegerField()
    answer = models.TextField(blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["delivery", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="delivery_attempt_number_unique"
            )
        ]

    def __str__(self) -> str:
        return f"Attempt {self.number}: {self.http_status or self.error}"
