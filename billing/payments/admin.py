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

from billing.invoicing.models import Document
from billing.money import minor_digits, money_text
from billing.payments.amounts_admin import WithMoney
from billing.payments.ledger import LedgerEntry, LedgerTransaction
from billing.payments.models import Allocation, Payment, Refund
from billing.payments.queries.balances import balances_of
from billing.payments.queries.statements import account_statement
from billing.payments.services.receiving import MANUAL, receive_payment
from billing.payments.services.returning import give_back, processor_of
from billing.payments.services.reversing import reverse_payment
from seats.agencies.queries import zones_of
from seats.errors import Refusal
from seats.models import Agency
from seats.periods import local_date
from seats.readonly import (
    AddingAdmin,
    AddingForm,
    ReadOnlyAdmin,
    ReadOnlyInline,
    ReasonForm,
    acting,
    ask_and_do,
)


class PaymentForm(AddingForm):
    """Money that reached us by bank transfer or cheque; recorded by the service."""

    invoice = forms.ModelChoiceField(
        Document.objects.filter(kind="invoice", status__in=["open", "uncollectible"]),
        required=False,
        help_text="Covered first; without, the oldest open one.",
    )
    method = forms.ChoiceField(
        choices=[("bank_transfer", "bank transfer"), ("cheque", "cheque")]
    )

    class Meta:
        model = Payment
        fields = ["payer", "amount", "reference", "method"]

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


class AskRefundForm(forms.Form):
    """How much the processor gives back, and why."""

    amount = forms.DecimalField(max_digits=18, decimal_places=3)
    reason = forms.CharField(max_length=500)


class RefundForm(AskRefundForm):
    """How much went back by hand."""

    reference = forms.CharField(max_length=200)


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
class PaymentAdmin(WithMoney, AddingAdmin):
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
            "digits": minor_digits(payer.currency),
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

    @admin.action(description="Refund", permissions=["add"])
    def refund(
        self, request: HttpRequest, payments: QuerySet[Payment]
    ) -> HttpResponse | None:
        """Has the processor give back what it holds; records what people gave."""

        def work(chosen: list[Payment], told: dict[str, Any]) -> None:
            if len(chosen) > 1:
                raise SeveralPayments("Refund one payment at a time.")
            give_back(payment=chosen[0], **acting(request), **{"reference": "", **told})

        first = payments.first()
        by_processor = first is not None and processor_of(first)
        form = AskRefundForm if by_processor else RefundForm
        return ask_and_do(self, request, payments, form, work)

    def has_reverse_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("billing.reverse_payment")

    @admin.action(
        description="Reverse: it was recorded by mistake", permissions=["reverse"]
    )
    def reverse(
        self, request: HttpRequest, payments: QuerySet[Payment]
    ) -> HttpResponse | None:
        """Takes back all of a bank transfer or cheque; nobody is told of a refund."""

        def work(chosen: list[Payment], told: dict[str, Any]) -> str:
            if len(chosen) > 1:
                raise SeveralPayments("Reverse one payment at a time.")
            payment = reverse_payment(payment=chosen[0], **acting(request), **told)
            amount = money_text(payment.amount, payment.currency)
            return f"{payment} over {amount} {payment.currency} is reversed."

        return ask_and_do(self, request, payments, ReasonForm, work)


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
    return money_text(amount, entry.transaction.currency) if amount > 0 else ""
