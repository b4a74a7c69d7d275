"""Documents (invoices and credit notes) with their lines, and voids."""

from django.db import models
from django.db.models import F, Q

from billing.invoicing.domain.numbers import printed_number
from billing.invoicing.models.runs import BillingRun
from billing.pricing.models import Meter, PriceList
from core.audit import audited
from core.postgres.columns import BELOW, UUID7
from seats.models import Agency


@audited(money=("total",))
class Document(models.Model):
    """An invoice or a credit note. Once issued, only `state` moves."""

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        CORRECTION = "correction", "credit note"

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAID = "paid"
        VOID = "void"
        UNCOLLECTIBLE = "uncollectible"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="documents")
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT)
    number = models.PositiveIntegerField(null=True)
    month = models.DateField()
    currency = models.CharField(max_length=3)
    price_list = models.ForeignKey(PriceList, models.PROTECT, null=True)
    price_list_hash = models.CharField(max_length=64, blank=True)
    subtotal = models.DecimalField(max_digits=18, decimal_places=3)
    tax = models.DecimalField(max_digits=18, decimal_places=3, default=0)
    total = models.DecimalField(max_digits=18, decimal_places=3)
    parties = models.JSONField(help_text="Names and addresses when it was drafted.")
    cutoffs = models.JSONField(help_text="The cut-off of each agency at computation.")
    run = models.ForeignKey(BillingRun, models.PROTECT, null=True)
    created_at = models.DateTimeField()
    review_until = models.DateTimeField(null=True)
    issued_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    hash = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        permissions = [
            ("issue_document", "Can issue a draft"),
            ("discard_document", "Can discard a draft"),
            ("void_document", "Can void a document"),
        ]
        ordering = ["payer", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["payer", "number"], name="one_document_per_payer_and_number"
            ),
            models.UniqueConstraint(
                fields=["payer"],
                condition=Q(state="draft"),
                name="one_draft_per_payer",
            ),
            models.CheckConstraint(
                condition=Q(total=F("subtotal") + F("tax")),
                name="total_is_subtotal_plus_tax",
            ),
            models.CheckConstraint(
                condition=Q(total__lt=BELOW) & Q(subtotal__lt=BELOW) & Q(tax__lt=BELOW),
                name="document_totals_finite",
            ),
            models.CheckConstraint(
                condition=Q(kind="invoice", total__gte=0)
                | Q(kind="correction", total__lt=0),
                name="only_a_credit_note_is_negative",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="draft",
                    number__isnull=True,
                    issued_at__isnull=True,
                    due_at__isnull=True,
                    hash="",
                )
                | (
                    ~Q(state="draft")
                    & Q(
                        number__isnull=False,
                        issued_at__isnull=False,
                        due_at__isnull=False,
                    )
                    & ~Q(hash="")
                ),
                name="an_issued_document_has_number_and_hash",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="document_is_for_a_month"
            ),
        ]
        indexes = [
            models.Index(fields=["month"], name="document_by_month"),
            models.Index(
                fields=["due_at"],
                condition=Q(kind="invoice", state="open"),
                name="open_invoice_by_due_date",
            ),
        ]

    def __str__(self) -> str:
        return self.label or f"Draft for {self.month:%Y-%m}"

    @property
    def label(self) -> str:
        """The number as printed; empty for a draft."""
        return printed_number(self._code, self.number) if self.number else ""

    @property
    def _code(self) -> str:
        """The payer's code, as frozen in the document; "?" if it was tampered with."""
        try:
            return str(self.parties["payer"]["code"])
        except (KeyError, TypeError):
            return "?"


class DocumentLine(models.Model):
    """What an agency's seats or meter add: `amount_now` less `amount_before`.

    Raw and billable are in raw units, quantities in billed units (seat days for
    seats). They describe the agency's whole charge; the amounts are the payer's.
    """

    class Kind(models.TextChoices):
        SEAT = "seat"
        USAGE = "usage"

    document = models.ForeignKey(
        Document, models.PROTECT, related_name="lines", db_index=False
    )
    position = models.PositiveIntegerField()
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_index=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_index=False)
    month = models.DateField()
    late = models.BooleanField(help_text="The month was billed before.")
    kind = models.CharField(max_length=8, choices=Kind)
    meter = models.ForeignKey(
        Meter, models.PROTECT, null=True, related_name="+", db_index=False
    )
    price_list = models.ForeignKey(
        PriceList, models.PROTECT, related_name="+", db_index=False
    )
    description = models.CharField(max_length=300)
    raw = models.DecimalField(max_digits=24, decimal_places=6)
    billable = models.DecimalField(max_digits=24, decimal_places=6)
    quantity = models.DecimalField(max_digits=24, decimal_places=6)
    included = models.DecimalField(max_digits=24, decimal_places=6)
    unit_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    charge = models.DecimalField(max_digits=18, decimal_places=3)
    amount_before = models.DecimalField(max_digits=18, decimal_places=3)
    amount_now = models.DecimalField(max_digits=18, decimal_places=3)
    amount = models.DecimalField(max_digits=18, decimal_places=3)
    tax = models.DecimalField(max_digits=18, decimal_places=3, default=0)

    class Meta:
        ordering = ["document", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "position"], name="one_line_per_position"
            ),
            models.UniqueConstraint(
                fields=["document", "agency", "month", "kind", "meter"],
                nulls_distinct=False,
                name="document_line_agency_month_meter_unique",
            ),
            models.CheckConstraint(
                condition=Q(amount=F("amount_now") - F("amount_before"))
                & Q(amount_now__lt=BELOW)
                & Q(amount_before__lt=BELOW),
                name="line_amount_is_now_less_before",
            ),
            models.CheckConstraint(
                condition=Q(kind="seat", meter__isnull=True)
                | Q(kind="usage", meter__isnull=False),
                name="a_usage_line_names_its_meter",
            ),
        ]
        indexes = [
            models.Index(
                fields=["payer", "agency", "month"], name="document_line_by_month"
            )
        ]

    def __str__(self) -> str:
        return self.description

    @property
    def cutoff(self) -> int:
        """The cut-off of the agency at which the line was computed."""
        return int(self.document.cutoffs[str(self.agency_id)])


class Void(models.Model):
    """Records that an agency's lines on a document no longer count as billed."""

    document = models.ForeignKey(Document, models.PROTECT, related_name="voids")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500)
    cutoff = models.BigIntegerField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["document", "agency"], name="a_document_is_voided_once"
            )
        ]
        indexes = [models.Index(fields=["agency", "cutoff"], name="void_by_cutoff")]

    def __str__(self) -> str:
        return f"Void of {self.document}"
