"""Payment attempts and their history."""

from django.db import models
from django.db.models import Q

from billing.collection.models.base import ATTEMPTS, Attempt, StateChange
from billing.collection.models.methods import PaymentMethod
from billing.invoicing.models.documents import Document
from core.postgres.columns import BELOW


class PaymentAttempt(Attempt):
    """An attempt to charge an invoice.

    While it is open nothing else charges the invoice, and the invoice is not voided.
    """

    class State(models.TextChoices):
        CREATED = "created"
        SENT = "sent"
        PENDING = "pending", "pending: in progress at the processor"
        UNKNOWN = "unknown", "unknown: may have been charged"
        SUCCEEDED = "succeeded"
        DECLINED_HARD = "declined_hard", "declined for good"
        DECLINED_SOFT = "declined_soft", "declined for now"
        FAILED = "failed", "failed: not charged"

    state = models.CharField(max_length=16, choices=State, default=State.CREATED)
    invoice = models.ForeignKey(
        Document, models.PROTECT, related_name="attempts", db_index=False
    )
    method = models.ForeignKey(
        PaymentMethod, models.PROTECT, null=True, related_name="attempts"
    )

    class Meta:
        permissions = [
            ("close_paymentattempt", "Can close a payment attempt by hand"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"],
                condition=Q(state__in=Attempt.OPEN),
                name="one_open_attempt_per_invoice",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="an_attempt_is_an_amount",
            ),
            models.CheckConstraint(
                condition=Q(state="created", first_sent_at=None, sends=0)
                | Q(state="failed")
                | Q(first_sent_at__isnull=False, sends__gt=0),
                name="an_attempt_is_counted_before_it_is_sent",
            ),
            models.CheckConstraint(
                condition=~Q(state="succeeded") | ~Q(reference=""),
                name="a_success_has_its_reference",
            ),
            models.UniqueConstraint(
                fields=["processor", "reference"],
                condition=~Q(reference=""),
                name="payment_attempt_reference_unique",
            ),
            ATTEMPTS.lease_check("payment_attempt_lease_matches_state"),
        ]
        indexes = [
            models.Index(fields=["invoice"], name="attempts_of_invoice"),
            ATTEMPTS.due_index("attempt_due"),
        ]


class AttemptChange(StateChange):
    """A state that a payment attempt reached; appended by a database trigger."""

    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="changes")
