"""Getting paid: payments, what they cover, refunds, and the ledger of all of it."""

from django.db import models
from django.db.models import Q

from billing.invoicing.models import Document
from seats.columns import BELOW, UUID7
from seats.models import Agency


class Payment(models.Model):
    """Money that came in; a fact, appended. A processor's reference counts once."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    processor = models.CharField(max_length=32)
    reference = models.CharField(
        max_length=200, help_text="The processor's id, or what the bank says."
    )
    method = models.CharField(max_length=64, blank=True)
    actor = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor", "reference"], name="a_payment_counts_once"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_payment_is_an_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.reference}"


class Refund(models.Model):
    """Money of a payment that went back; a fact, appended."""

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
        return f"{self.reference} of {self.payment_id}"


class Allocation(models.Model):
    """A part of a payment or of a credit note that covers a part of an invoice.

    A negative row takes back what a payment covered.
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
        return f"{self.amount} to {self.document_id}"


class LedgerTransaction(models.Model):
    """What one fact did to the accounts; its entries sum to zero."""

    class Kind(models.TextChoices):
        ISSUED = "issued"
        VOIDED = "voided"
        PAYMENT = "payment"
        ALLOCATION = "allocation"
        REFUND = "refund"

    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    fact_id = models.BigIntegerField(
        help_text="Of the document, payment, allocation or refund."
    )
    currency = models.CharField(max_length=3)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "fact_id"], name="a_fact_is_posted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.fact_id}"


class LedgerEntry(models.Model):
    """An amount on an account: debits are positive, credits negative."""

    class Account(models.TextChoices):
        RECEIVABLE = "receivable", "accounts receivable"
        REVENUE_SEATS = "revenue_seats", "revenue, seats"
        REVENUE_USAGE = "revenue_usage", "revenue, usage"
        TAX_PAYABLE = "tax_payable"
        CASH = "cash"
        CUSTOMER_CREDIT = "customer_credit"

    transaction = models.ForeignKey(
        LedgerTransaction, models.PROTECT, related_name="entries", db_index=False
    )
    account = models.CharField(max_length=16, choices=Account)
    processor = models.CharField(
        max_length=32, blank=True, help_text="Where the cash lies."
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)

    class Meta:
        ordering = ["transaction", "account"]
        verbose_name_plural = "ledger entries"
        constraints = [
            models.UniqueConstraint(
                fields=["transaction", "account"],
                name="one_entry_per_account_and_transaction",
            ),
            models.CheckConstraint(
                condition=~Q(amount=0) & Q(amount__lt=BELOW),
                name="an_entry_is_an_amount",
            ),
            models.CheckConstraint(
                condition=(Q(account="cash") & ~Q(processor=""))
                | (~Q(account="cash") & Q(processor="")),
                name="cash_lies_at_a_processor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.amount}"
