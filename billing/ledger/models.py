"""The double-entry ledger: one transaction for each fact that moves money."""

from django.db import models
from django.db.models import Q

from core.money import plain
from core.postgres.columns import BELOW
from seats.models import Agency


class LedgerTransaction(models.Model):
    """The posting of one fact; the amounts of its entries sum to zero."""

    class Kind(models.TextChoices):
        ISSUED = "issued"
        VOIDED = "voided"
        PAYMENT = "payment"
        ALLOCATION = "allocation"
        REFUND = "refund"
        DISPUTE_OPENED = "dispute_opened"
        DISPUTE_WON = "dispute_won"
        DISPUTE_LOST = "dispute_lost"
        REVERSAL = "reversal"

    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind)
    fact_id = models.BigIntegerField(
        help_text="Id of the document, payment, allocation, refund or dispute."
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

    class LedgerAccount(models.TextChoices):
        RECEIVABLE = "receivable", "accounts receivable"
        REVENUE_SEATS = "revenue_seats", "revenue, seats"
        REVENUE_USAGE = "revenue_usage", "revenue, usage"
        TAX_PAYABLE = "tax_payable"
        CASH = "cash"
        DISPUTED = "disputed", "withheld for disputes"
        CUSTOMER_CREDIT = "customer_credit"

    transaction = models.ForeignKey(
        LedgerTransaction, models.PROTECT, related_name="entries", db_index=False
    )
    account = models.CharField(max_length=16, choices=LedgerAccount)
    processor = models.CharField(
        max_length=32, blank=True, help_text="Processor that holds the cash."
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
                name="ledger_entry_processor_for_cash_only",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_account_display()} {plain(self.amount)}"
