"""Refunds that a second person has to approve."""

from django.db import models
from django.db.models import F, Q

from billing.collection.models.refunds import RefundAttempt
from billing.receivables.models import Payment
from core.audit import audited
from core.postgres.columns import BELOW, UUID7, partial_index
from seats.models import User


@audited(money=("amount",))
class RefundApproval(models.Model):
    """A refund above the limit: who requested it, and who decided about it.

    Nothing is refunded before it is approved, and nobody approves a refund of their own;
    whoever requested it may decline it. A decision is final.
    """

    class State(models.TextChoices):
        REQUESTED = "requested"
        APPROVED = "approved"
        DECLINED = "declined"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payment = models.ForeignKey(
        Payment, models.PROTECT, related_name="refund_approvals"
    )
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    currency = models.CharField(max_length=3)
    reference = models.CharField(
        max_length=200, blank=True, help_text="Of a refund made by hand."
    )
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=9, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision = models.CharField(
        max_length=500, blank=True, help_text="Why it was approved or declined."
    )
    attempt = models.OneToOneField(
        RefundAttempt,
        models.PROTECT,
        null=True,
        related_name="approval",
        help_text="The refund at the processor. Empty if it was made by hand.",
    )

    class Meta:
        permissions = [
            ("approve_refundapproval", "Can approve a refund that another requested"),
            ("decline_refundapproval", "Can decline a refund above the limit"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_refund_approval_is_of_an_amount",
            ),
            models.CheckConstraint(
                condition=~Q(reason=""), name="a_refund_approval_has_a_reason"
            ),
            models.CheckConstraint(
                condition=Q(
                    state="requested", decided_by=None, decided_at=None, decision=""
                )
                | Q(
                    state__in=["approved", "declined"],
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                )
                & ~Q(decision=""),
                name="a_decided_refund_approval_says_by_whom_and_why",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved") | ~Q(decided_by=F("requested_by")),
                name="nobody_approves_a_refund_of_their_own",
            ),
            models.CheckConstraint(
                condition=Q(attempt=None) | Q(state="approved"),
                name="a_refund_is_approved_before_it_is_sent",
            ),
        ]
        indexes = [
            partial_index(
                "refund_approval_undecided", "requested_at", state="requested"
            )
        ]

    def __str__(self) -> str:
        return f"Refund of payment {self.payment}"
