"""Refund attempts and their history."""

from django.db import models
from django.db.models import Q

from billing.collection.models.base import ATTEMPTS, Attempt, StateChange
from billing.receivables.models import Payment
from core.postgres.columns import BELOW


class RefundAttempt(Attempt):
    """An attempt to refund an amount of a payment through its processor.

    While it is open its amount is reserved: nothing else may refund it.
    """

    class State(models.TextChoices):
        CREATED = "created"
        SENT = "sent"
        PENDING = "pending", "pending: in progress at the processor"
        UNKNOWN = "unknown", "unknown: may have been refunded"
        SUCCEEDED = "succeeded"
        FAILED = "failed", "failed: not refunded"

    state = models.CharField(max_length=16, choices=State, default=State.CREATED)
    payment = models.ForeignKey(
        Payment, models.PROTECT, related_name="refund_attempts", db_index=False
    )
    reason = models.CharField(max_length=500)
    request_reference = models.CharField(
        max_length=200,
        blank=True,
        help_text="The reference in the request for the refund.",
    )

    class Meta:
        permissions = [
            ("close_refundattempt", "Can close a refund attempt by hand"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_refund_attempt_is_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "created", "sent", "pending", "unknown", "succeeded", "failed",
                    ]
                ),
                name="refund_attempt_state_valid",
            ),
            models.CheckConstraint(
                condition=Q(state="created", first_sent_at=None, sends=0)
                | Q(state="failed")
                | Q(first_sent_at__isnull=False, sends__gt=0),
                name="a_refund_attempt_is_counted_before_it_is_sent",
            ),
            models.CheckConstraint(
                condition=~Q(state="succeeded") | ~Q(reference=""),
                name="a_refund_that_succeeded_has_its_reference",
            ),
            models.UniqueConstraint(
                fields=["processor", "reference"],
                condition=~Q(reference=""),
                name="a_reference_is_of_one_refund_attempt",
            ),
            models.UniqueConstraint(
                fields=["payment", "request_reference"],
                condition=~Q(request_reference=""),
                name="refund_attempt_request_reference_unique",
            ),
            ATTEMPTS.lease_check("refund_attempt_lease_matches_state"),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["payment"], name="refund_attempts_of_payment"),
            ATTEMPTS.due_index("refund_attempt_due"),
        ]


class RefundAttemptChange(StateChange):
    """A state that a refund attempt reached; appended by a database trigger."""

    attempt = models.ForeignKey(RefundAttempt, models.PROTECT, related_name="changes")
