"""Payments received, what they pay for, and refunds.

Amounts are positive, in the payer's currency.
"""

from django.db import models
from django.db.models import Q

from billing.invoicing.models.documents import Document
from core.audit import audited
from core.money import plain
from core.postgres.columns import BELOW, UUID7
from seats.models import Agency


@audited(money=("amount",))
class Payment(models.Model):
    """Money received from a payer; append-only, and unique by processor and reference.

    A payment recorded by mistake is reversed: the row stays but no longer counts.
    `amount` is positive.
    """

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    processor = models.CharField(max_length=32)
    reference = models.CharField(
        max_length=200,
        help_text="The processor's id of the payment, or the bank's reference.",
    )
    method = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField()
    reversed_at = models.DateTimeField(null=True)
    reversed_by = models.CharField(max_length=200, blank=True)
    reversal_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["id"]
        permissions = [
            ("refund_payment", "Can refund a payment"),
            ("reverse_payment", "Can reverse a payment that was recorded by mistake"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["processor", "reference"],
                condition=Q(reversed_at=None),
                name="a_payment_counts_once",
            ),
            models.CheckConstraint(
                condition=Q(reversed_at=None, reversed_by="", reversal_reason="")
                | (
                    Q(reversed_at__isnull=False, processor="manual")
                    & ~Q(reversed_by="")
                    & ~Q(reversal_reason="")
                ),
                name="payment_reversal_manual_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_payment_is_an_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.reference}"


@audited(money=("amount",))
class Refund(models.Model):
    """A part of a payment that was returned to the payer; append-only, positive."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payment = models.ForeignKey(Payment, models.PROTECT, related_name="refunds")
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    reference = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=200)
    refunded_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "reference"], name="a_refund_counts_once"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_refund_is_an_amount",
            ),
        ]

    def __str__(self) -> str:
        return self.reference


class Allocation(models.Model):
    """An amount of a payment or of a credit note that covers part of an invoice.

    Append-only: a negative row takes back what a payment covered.
    """

    payment = models.ForeignKey(
        Payment, models.PROTECT, null=True, related_name="allocations"
    )
    credit_note = models.ForeignKey(
        Document, models.PROTECT, null=True, related_name="given"
    )
    document = models.ForeignKey(Document, models.PROTECT, related_name="covered_by")
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(payment__isnull=False, credit_note__isnull=True)
                | Q(payment__isnull=True, credit_note__isnull=False, amount__gt=0),
                name="an_allocation_has_one_source",
            ),
            models.CheckConstraint(
                condition=~Q(amount=0) & Q(amount__lt=BELOW),
                name="an_allocation_is_an_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{plain(self.amount)} to {self.document}"
