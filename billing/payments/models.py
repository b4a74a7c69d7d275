"""Payments, refunds, allocations, processors, payment methods, attempts and events."""

from django.db import models
from django.db.models import Q

from billing.invoicing.models import Document
from billing.money import plain
from billing.payments.attempts import Attempt, StateChange
from seats.columns import BELOW, UUID7
from seats.models import Agency


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
                name="a_reversal_is_of_a_manual_payment_and_says_why",
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0, amount__lt=BELOW),
                name="a_payment_is_an_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor} {self.reference}"


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


class PaymentProcessor(models.Model):
    """A service that charges payers for us and reports outcomes by webhook."""

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
                name="a_reference_pays_for_one_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["invoice"], name="attempts_of_invoice"),
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=Attempt.OPEN),
                name="attempt_due",
            ),
        ]


class AttemptChange(StateChange):
    """A state that a payment attempt reached; appended by a database trigger."""

    attempt = models.ForeignKey(PaymentAttempt, models.PROTECT, related_name="changes")


class ProcessorEvent(models.Model):
    """An inbound event of a processor, stored as received, once per event id.

    The row is the queue: `state` and `due_at` say whether and when it is processed.
    """

    PENDING = ["received", "waiting"]

    class State(models.TextChoices):
        RECEIVED = "received"
        WAITING = "waiting", "waiting for its payment"
        DONE = "done"
        QUARANTINED = "quarantined"
        SET_ASIDE = "set_aside", "set aside: no action needed"

    processor = models.ForeignKey(
        PaymentProcessor, models.PROTECT, related_name="+", db_index=False
    )
    event_id = models.CharField(max_length=200)
    body = models.BinaryField()
    received_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    reason = models.CharField(
        max_length=200, blank=True, help_text="Reason of the state."
    )
    attempt = models.ForeignKey(
        PaymentAttempt, models.PROTECT, null=True, related_name="told"
    )
    tries = models.IntegerField(
        default=0, help_text="Number of times that processing was started."
    )
    due_at = models.DateTimeField(
        help_text="When it is next processed; during processing, when the lease ends."
    )
    payment_reference = models.CharField(
        max_length=200,
        blank=True,
        help_text="The processor's id of the payment that it waits for.",
    )
    reported_at = models.DateTimeField(
        null=True, help_text="When staff was notified that it was not processed."
    )
    conflicts = models.IntegerField(
        default=0,
        help_text="Number of refused deliveries under this id with different content.",
    )
    conflict_body = models.BinaryField(null=True)

    class Meta:
        permissions = [
            ("retry_processorevent", "Can process a processor event again"),
            ("set_aside_processorevent", "Can set a processor event aside"),
        ]
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["processor", "event_id"], name="a_processor_event_counts_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(state__in=["received", "waiting"]),
                name="processor_event_due",
            ),
            models.Index(
                fields=["processor", "payment_reference"],
                condition=Q(state="waiting"),
                name="processor_event_waits_for",
            ),
            models.Index(
                fields=["received_at"],
                condition=Q(
                    state__in=["received", "waiting", "quarantined"], reported_at=None
                ),
                name="processor_event_unreported",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.processor.code} {self.event_id}"
