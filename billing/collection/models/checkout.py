"""Checkout pages at processors, and the customers that processors know payers by."""

from django.db import models
from django.db.models import Q

from billing.collection.models.attempts import PaymentAttempt
from billing.processors.models import PaymentProcessor
from core.postgres.columns import UUID7
from seats.models import Agency


class ProcessorCustomer(models.Model):
    """A payer as a customer of a processor, created once.

    Its idempotency key is stored before the call.
    """

    key = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    processor = models.ForeignKey(PaymentProcessor, models.PROTECT, related_name="+")
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    reference = models.CharField(
        max_length=200, blank=True, help_text="The processor's id of the payer."
    )
    sent_at = models.DateTimeField(
        null=True, help_text="When the customer was first requested."
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor", "payer"], name="one_customer_per_payer"
            ),
            models.UniqueConstraint(
                fields=["processor", "reference"],
                condition=~Q(reference=""),
                name="processor_customer_reference_unique",
            ),
        ]

    def __str__(self) -> str:
        return self.reference or f"customer {self.key}"


class CheckoutPage(models.Model):
    """A checkout page at a processor; if it is for an invoice, it has an attempt.

    Cards are entered there and never here. Until the processor has responded there is no
    URL, and nobody has received one.
    """

    class Kind(models.TextChoices):
        SETUP = "setup", "saves a payment method"
        PAYMENT = "payment", "pays an invoice"

    public_id = models.UUIDField(
        db_default=UUID7(),
        unique=True,
        editable=False,
        help_text="Idempotency key of the page, if it is not for an invoice.",
    )
    kind = models.CharField(max_length=8, choices=Kind)
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    owner = models.ForeignKey(
        Agency,
        models.PROTECT,
        null=True,
        related_name="+",
        help_text="Agency that opened it and must reach the payer; empty for the platform.",
    )
    closed_at = models.DateTimeField(
        null=True,
        help_text="When the processor was asked to close it, or, if its URL never came,"
        " when it was given up.",
    )
    processor = models.ForeignKey(PaymentProcessor, models.PROTECT, related_name="+")
    attempt = models.OneToOneField(
        PaymentAttempt, models.PROTECT, null=True, related_name="page"
    )
    actor = models.CharField(max_length=200)
    customer = models.CharField(
        max_length=200, help_text="The processor's id of the payer."
    )
    return_url = models.CharField(
        max_length=500, help_text="Where the payer goes afterwards."
    )
    url = models.TextField(blank=True)
    reference = models.CharField(
        max_length=200, blank=True, help_text="The processor's id of the page."
    )
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    sent_until = models.DateTimeField(
        help_text="No call that may open it is started after this."
    )

    class Meta:
        permissions = [
            ("close_checkoutpage", "Can close a checkout page"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="setup", attempt=None)
                | Q(kind="payment", attempt__isnull=False),
                name="checkout_page_attempt_by_kind",
            ),
            models.CheckConstraint(
                condition=Q(url="", reference="") | (~Q(url="") & ~Q(reference="")),
                name="checkout_page_url_and_reference_together",
            ),
            models.UniqueConstraint(
                fields=["processor", "reference"],
                condition=~Q(reference=""),
                name="checkout_page_reference_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"Page {self.public_id}"
