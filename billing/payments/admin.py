"""Payments, refunds, statements of account and the ledger, for staff."""

from datetime import timedelta
from decimal import Decimal
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

from billing.cells import ByPrintedNumber, money_cell
from billing.invoicing.models import Document
from billing.money import minor_digits, money_label
from billing.payments.amounts_admin import WithMoney
from billing.payments.ledger import LedgerEntry, LedgerTransaction
from billing.payments.models import Allocation, Payment, PaymentAttempt, Refund
from billing.payments.queries.balances import balances_of
from billing.payments.queries.returnable import left_of
from billing.payments.queries.statements import account_statement
from billing.payments.services.receiving import MANUAL, receive_payment
from billing.payments.services.returning import give_back, processor_of
from billing.payments.services.reversing import require_reversible, reverse_payment
from seats.admin_actions import (
    Outcome,
    ReasonForm,
    Unchanged,
    staff_action,
    unchanged_if,
)
from seats.agencies.queries import zones_of
from seats.errors import Refusal
from seats.models import Agency
from seats.periods import local_date
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    acting,
)
from seats.staff_admin import autocomplete


class PaymentForm(AddingForm):
    """Money that reached us by bank transfer or cheque; recorded by the service."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", status__in=["open", "uncollectible"]),
        required=False,
        widget=autocomplete(PaymentAttempt, "invoice"),
        help_text="Covered first; without, the oldest open one.",
    )
    method = forms.ChoiceField(
        choices=[("bank_transfer", "bank transfer"), ("cheque", "cheque")]
    )

    class Meta:
        model = Payment
        fields = ["payer", "amount", "reference", "method"]
        widgets = {"payer": autocomplete(Payment, "payer")}

    def add(self, told: dict[str, Any]) -> Payment:
        return receive_payment(
            payer=told["payer"],
            amount=told["amount"],
            currency=told["payer"].currency,
            processor=MANUAL,
            reference=told["reference"],
            method=told["method"],
            document=told["invoice"],
            actor=self.actor,
            now=timezone.now(),
        )


class SeveralPayments(Refusal):
    """What is done to a payment is about its own amount, reference and reason."""

    code = "several_payments"


class AskRefundForm(ReasonForm):
    """How much the processor gives back, and why."""

    amount = forms.DecimalField(max_digits=18, decimal_places=3)
    field_order = ["amount", "reference", "reason"]


class RefundForm(AskRefundForm):
    """How much went back by hand."""

    reference = forms.CharField(max_length=200)


def reversal_effects(payments: list[Payment], data: dict[str, Any] | None) -> list[str]:
    """How much is taken back, which invoices are owed again, or why it is refused."""
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
            f" ({payment.reference}) no longer count as received."
            f" Owed again, unless other money covers it: {', '.join(invoices) or 'nothing'}."
            " The payer is not notified of a refund."
        )
    return lines


def refund_form(payments: list[Payment]) -> type[AskRefundForm]:
    """What goes back by hand has a reference of its own."""
    by_processor = bool(payments) and processor_of(payments[0])
    return AskRefundForm if by_processor else RefundForm


def refund_effects(payments: list[Payment], data: dict[str, Any] | None) -> list[str]:
    """The amount that is refunded, how, and what is left of the payment."""
    left = left_of([payment.pk for payment in payments])
    lines = []
    for payment in payments:
        there = left[payment.pk].there
        way = (
            f"{payment.processor} is asked to give it back"
            if processor_of(payment)
            else "it is recorded as given back by hand"
        )
        change = "The amount below goes back"
        if data:
            change = (
                f"{money_label(data['amount'], payment.currency)} goes back, and"
                f" {money_label(there - data['amount'], payment.currency)} is left"
            )
        lines.append(
            unchanged_if(
                there <= 0,
                f"{payment} of {payment.payer.code} over"
                f" {money_label(payment.amount, payment.currency)}, of which"
                f" {money_label(there, payment.currency)} can go back. {change}; {way}."
                " What it covered is owed again.",
            )
        )
    return lines


class AllocationInline(ReadOnlyInline):
    model = Allocation
    fields = ["document", "amount", "recorded_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allocation]:
        parts: QuerySet[Allocation] = super().get_queryset(request)
        return parts.select_related("document")


class RefundInline(ReadOnlyInline):
    model = Refund
    fields = ["amount", "reference", "reason", "actor", "refunded_at"]


@admin.register(Payment)
class PaymentAdmin(ByPrintedNumber, WithMoney, AddingAdmin):
    """Money received; adding one records a bank transfer or a cheque."""

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
        """Everything up to now."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        payer = get_object_or_404(Agency, code=code)
        today = local_date(timezone.now(), zones_of([payer.pk])[payer.pk])
        statement = account_statement(
            payer=payer, starts_on=None, ends_on=today + timedelta(days=1)
        )
        context = {
            **self.admin_site.each_context(request),
            "title": f"Statement of {payer.code}",
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
        effects=refund_effects,
        undo="A refund cannot be undone. Charge the invoice again.",
        done="refunded",
        one_by_one=True,
        form=refund_form,
    )
    def refund(
        self, request: HttpRequest, payments: list[Payment], data: dict[str, Any]
    ) -> Outcome | None:
        """Has the processor give back what it holds; records what people gave."""
        if len(payments) > 1:
            raise SeveralPayments("Refund one payment at a time.")
        give_back(payment=payments[0], **acting(request), **{"reference": "", **data})
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
    ) -> Outcome | None:
        """Reverse a bank transfer or cheque in full; the payer is not notified."""
        if len(payments) > 1:
            raise SeveralPayments("Reverse one payment at a time.")
        reverse_payment(payment=payments[0], **acting(request), **data)
        return None


class EntryInline(ReadOnlyInline):
    model = LedgerEntry
    readonly_fields = ["debit", "credit"]
    fields = ("account", "processor", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerEntry]:
        return super().get_queryset(request).select_related("transaction")

    @admin.display(description="debit")
    def debit(self, entry: LedgerEntry) -> str:
        return _side(entry.amount, entry)

    @admin.display(description="credit")
    def credit(self, entry: LedgerEntry) -> str:
        return _side(-entry.amount, entry)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "payer", "kind", "currency", "recorded_at"]
    list_select_related = ["payer"]
    list_filter = ["kind", "currency"]
    search_fields = ["payer__code"]
    inlines = [EntryInline]


def _side(amount: Decimal, entry: LedgerEntry) -> str:
    return money_cell(amount, entry.transaction.currency) if amount > 0 else ""
