"""Saved payment methods of payers."""

from django.db import models
from django.db.models import Q

from billing.processors.models import PaymentProcessor
from core.audit import audited
from core.postgres.columns import UUID7
from seats.models import Agency


@audited()
class PaymentMethod(models.Model):
    """How a payer is charged: at most one current method, until it is removed.

    Card numbers are never stored. A webhook processor knows payers by their code, so its
    methods have no reference.
    """

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="payment_methods")
    processor = models.ForeignKey(PaymentProcessor, models.PROTECT, related_name="+")
    customer = models.CharField(
        max_length=200, blank=True, help_text="The processor's id of the payer."
    )
    reference = models.CharField(
        max_length=200, blank=True, help_text="The processor's id of the method."
    )
    label = models.CharField(
        max_length=100,
        blank=True,
        help_text="Name shown to people, such as visa 4242, 12/2030.",
    )
    actor = models.CharField(max_length=200)
    saved_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [
            ("remove_paymentmethod", "Can remove a payment method"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["payer"],
                condition=Q(removed_at=None),
                name="one_method_per_payer",
            ),
            models.UniqueConstraint(
                fields=["processor", "reference"],
                condition=Q(removed_at=None) & ~Q(reference=""),
                name="a_method_has_one_payer",
            ),
        ]

    def __str__(self) -> str:
        return self.label or self.processor.code
