"""Payments, refunds, statements of account and the ledger, for staff."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html

from billing.collection.admin.amounts import WithMoney
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.refund_approvals import request_approval
from billing.collection.services.refund_requests import (
    needs_approval,
    refunding_processor,
    start_refund,
)
from billing.invoicing.models.documents import Document
from billing.ledger.queries import balances_of
from billing.processors.domain.port import MANUAL
from billing.receivables.models import Allocation, Payment, Refund
from billing.receivables.queries.refundable import payment_balances
from billing.receivables.queries.statements import account_statement
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.reversals import require_reversible, reverse_payment
from core.admin.actions import (
    ActionOutcome,
    ReasonForm,
    Unchanged,
    staff_action,
    unchanged_if,
)
from core.admin.base import autocomplete
from core.admin.cells import ByPrintedNumber
from core.admin.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyInline,
    actor_and_now,
)
from core.errors import Refusal
from core.money import minor_digits, money_label
from core.periods import local_date
from seats.agencies.queries.agencies import zones_of
from seats.models import Agency, User


class PaymentForm(AddingForm):
    """A payment received by bank transfer or check; recorded by the service."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", state__in=["open", "uncollectible"]),
        required=False,
        widget=autocomplete(PaymentAttempt, "invoice"),
        help_text="Invoice to cover first. Default: the oldest open invoice.",
    )
    method = forms.ChoiceField(
        choices=[("bank_transfer", "bank transfer"), ("cheque", "check")]
    )

    class Meta:
        model = Payment
        fields = ["payer", "amount", "reference", "method"]
        widgets = {"payer": autocomplete(Payment, "payer")}

    def add(self, cleaned: dict[str, Any]) -> Payment:
        return receive_payment(
            payer=cleaned["payer"],
            amount=cleaned["amount"],
            currency=cleaned["payer"].currency,
            processor=MANUAL,
            reference=cleaned["reference"],
            method=cleaned["method"],
            document=cleaned["invoice"],
            actor=self.actor,
            now=timezone.now(),
        )


class SeveralPayments(Refusal):
    """More than one payment was selected.

    Refund or reverse one payment at a time.
    """

    code = "several_payments"


class AskRefundForm(ReasonForm):
    """The amount and reason of a refund through the processor."""

    amount = forms.DecimalField(max_digits=18, decimal_places=3)
    field_order = ["amount", "reference", "reason"]


class RefundForm(AskRefundForm):
    """The amount, reference and reason of a refund made by hand."""

    reference = forms.CharField(max_length=200)


def reversal_effects(payments: list[Payment], data: dict[str, Any] | None) -> list[str]:
    """Which amount and invoices a reversal affects, or why it is refused."""
    lines: list[str] = []
    for payment in payments:
        try:
            require_reversible(payment)
        except Refusal as refusal:
            lines.append(Unchanged(refusal.message))
            continue
        covered = Allocation.objects.filter(payment=payment).select_related("document")
        invoices = sorted({part.document.label for part in covered if part.document})
        lines.append(
            f"{money_label(payment.amount, payment.currency)} of {payment.payer.code}"
            f" ({payment.reference}) no longer counts as received."
            " Owed again, unless other payments cover it:"
            f" {', '.join(invoices) or 'nothing'}."
            " The payer is not notified of a refund."
        )
    return lines


def refund_form(payments: list[Payment]) -> type[AskRefundForm]:
    """The refund form; refunds made by hand also need a reference."""
    by_processor = bool(payments) and refunding_processor(payments[0])
    return AskRefundForm if by_processor else RefundForm


def refund_effects(payments: list[Payment], data: dict[str, Any] | None) -> list[str]:
    """The amount that is refunded, how, and what remains of the payment."""
    balances = payment_balances([payment.pk for payment in payments])
    lines = []
    for payment in payments:
        available = balances[payment.pk].available
        way = (
            f"{payment.processor} is asked to refund it"
            if refunding_processor(payment)
            else "it is recorded as refunded by hand"
        )
        if data and needs_approval(payment, data["amount"]):
            way = f"first another person has to approve it, then {way}"
        change = "The amount below is refunded"
        if data:
            change = (
                f"{money_label(data['amount'], payment.currency)} is refunded, and"
                f" {money_label(available - data['amount'], payment.currency)} remains"
            )
        lines.append(
            unchanged_if(
                available <= 0,
                f"{payment} of {payment.payer.code} over"
                f" {money_label(payment.amount, payment.currency)}, of which"
                f" {money_label(available, payment.currency)} can be refunded. {change};"
                f" {way}. Invoices that it covered are owed again.",
            )
        )
    return lines


class AllocationInline(ReadOnlyInline):
    """The invoices that the payment pays, with the amount of each."""

    model = Allocation
    fields = ["document", "amount", "recorded_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allocation]:
        rows: QuerySet[Allocation] = super().get_queryset(request)
        return rows.select_related("document")


class RefundInline(ReadOnlyInline):
    """The parts of the payment that went back."""

    model = Refund
    fields = ["amount", "reference", "reason", "actor", "refunded_at"]


@admin.register(Payment)
class PaymentAdmin(ByPrintedNumber, WithMoney, AddingAdmin):
    """Payments received; adding one records a bank transfer or a check."""

    menu = ("Payments", "Payments")
    list_display = [
        "__str__", "payer", "money", "means", "received_at", "reversed_at",
        "statement",
    ]  # fmt: skip
    fields = [
        "payer", "money", "processor", "reference", "means", "actor", "received_at",
        "reversed_at", "reversed_by", "reversal_reason", "statement",
    ]  # fmt: skip
    readonly_fields = ["money", "means", "statement"]
    list_select_related = ["payer"]
    list_filter = [
        "processor", "currency", ("reversed_at", admin.EmptyFieldListFilter),
    ]  # fmt: skip
    search_fields = ["payer__code", "reference"]
    documents = "allocations__document"
    date_hierarchy = "received_at"
    inlines = [AllocationInline, RefundInline]
    adding_form = PaymentForm
    adding_fields = ["payer", "amount", "reference", "method", "invoice"]
    actions = ["refund", "reverse"]

    def get_urls(self) -> list[URLPattern]:
        statement = path(
            "statements/<str:code>",
            self.admin_site.admin_view(self.statement_view),
            name="billing_account_statement",
        )
        return [statement, *super().get_urls()]

    def statement_view(self, request: HttpRequest, code: str) -> HttpResponse:
        """The statement of account of a payer up to today."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        payer = get_object_or_404(Agency, code=code)
        today = local_date(timezone.now(), zones_of([payer.pk])[payer.pk])
        statement = account_statement(
            payer=payer, starts_on=None, ends_on=today + timedelta(days=1)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Statement of account: {payer.code}",
            "statement": statement,
            "digits": f"{minor_digits(payer.currency)}g",
            "balances": balances_of(payer),
        }
        return TemplateResponse(request, "admin/billing/account.html", context)

    @admin.display(description="method", ordering="method")
    def means(self, payment: Payment) -> str:
        return payment.method.replace("_", " ")

    @admin.display(description="account")
    def statement(self, payment: Payment) -> str:
        url = reverse("admin:billing_account_statement", args=[payment.payer.code])
        return format_html('<a href="{}">statement</a>', url)

    @staff_action(
        "Refund",
        sensitive=True,
        effects=refund_effects,
        undo="A refund cannot be undone. Charge the invoice again.",
        done="refunded",
        one_by_one=True,
        form=refund_form,
    )
    def refund(
        self, request: HttpRequest, payments: list[Payment], data: dict[str, Any]
    ) -> ActionOutcome | None:
        """Request a refund from the processor, or record one made by hand.

        Above the limit another person has to approve it first.
        """
        if len(payments) > 1:
            raise SeveralPayments("Refund one payment at a time.")
        (payment,) = payments
        user = request.user
        if isinstance(user, User) and needs_approval(payment, data["amount"]):
            request_approval(payment=payment, user=user, now=timezone.now(), **data)
            return ActionOutcome(
                payments, summary="The refund waits for the approval of another person"
            )
        start_refund(
            payment=payment, **actor_and_now(request), **{"reference": "", **data}
        )
        return None

    @staff_action(
        "Reverse: it was recorded by mistake",
        effects=reversal_effects,
        undo="Record the payment again, under a new reference if all else is the same.",
        done="reversed",
        one_by_one=True,
    )
    def reverse(
        self, request: HttpRequest, payments: list[Payment], data: dict[str, Any]
    ) -> ActionOutcome | None:
        """Reverse a bank transfer or check in full; the payer is not notified."""
        if len(payments) > 1:
            raise SeveralPayments("Reverse one payment at a time.")
        reverse_payment(payment=payments[0], **actor_and_now(request), **data)
        return None
