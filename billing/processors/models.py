"""Payment processors that an operator set up: their kind, address and sealed secrets."""

from typing import ClassVar

from django.db import models

from core.audit import audited


@audited()
class PaymentProcessor(models.Model):
    """A service that charges payers for us and reports outcomes by webhook."""

    secret_columns: ClassVar = (  # which no page for members reads
        "sealed_sending",
        "sealed_receiving",
        "sealed_sending_before",
        "sealed_receiving_before",
    )

    class Kind(models.TextChoices):
        WEBHOOK = "webhook", "signed webhook"
        STRIPE = "stripe"

    code = models.SlugField(max_length=32, unique=True)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.WEBHOOK)
    url = models.CharField(max_length=500)
    sealed_sending = models.TextField(
        help_text="Encrypted: signs our requests, or is our key of its API."
    )
    sealed_receiving = models.TextField(
        help_text="Encrypted: signs the events that it sends."
    )
    sealed_sending_before = models.TextField(
        blank=True,
        help_text="Encrypted: the previous secret, which also signs for a day after the change.",
    )
    sealed_receiving_before = models.TextField(
        blank=True,
        help_text="Encrypted: the previous secret, which is also accepted for a day.",
    )
    rotated_at = models.DateTimeField(null=True)
    caught_up_to = models.DateTimeField(
        null=True, help_text="The list of events has been read up to this instant."
    )
    reconciled_through = models.DateField(
        null=True, help_text="The last UTC day that was reconciled."
    )
    added_by = models.CharField(max_length=200)
    added_at = models.DateTimeField()

    class Meta:
        permissions = [
            ("rotate_paymentprocessor", "Can rotate the secrets of a processor"),
        ]
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code
