"""The page of payments, for members of agencies."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.collection.admin.amounts import WithMoney
from billing.receivables.models import Allocation, Payment, Refund
from core.admin.cells import money_cell
from core.admin.scoped import ScopedAdmin, ScopedFilter, ScopedInline, agency_page
from seats.access.domain import Action


class AllocationInline(ScopedInline):
    """What the payment covers."""

    model = Allocation
    agency_path = "payment__payer"
    view = Action.VIEW_MONEY
    verbose_name_plural = "invoices that it covers"
    readonly_fields = ["covered"]
    fields = ("document", "covered", "recorded_at")

    @admin.display(description="amount")
    def covered(self, part: Allocation) -> str:
        return money_cell(part.amount, part.document.currency)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Allocation]:
        return super().get_queryset(request).select_related("document")


class RefundInline(ScopedInline):
    """What was returned of the payment."""

    model = Refund
    agency_path = "payment__payer"
    view = Action.VIEW_MONEY
    readonly_fields = ["returned"]
    fields = ("returned", "reference", "refunded_at")

    @admin.display(description="amount")
    def returned(self, refund: Refund) -> str:
        return money_cell(refund.amount, refund.payment.currency)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        return super().get_queryset(request).select_related("payment")


@agency_page(Payment)
class PaymentPage(WithMoney, ScopedAdmin):
    """Payments received from the agencies within reach."""

    menu = ("Money", "Payments")
    activity = {
        "billing_payment": ["amount"],
        "billing_paymentmethod": ["label", "removed_at"],
    }
    agency_path = "payer"
    view = Action.VIEW_MONEY
    list_display = [
        "received_at",
        "money",
        "payer",
        "means",
        "reference",
        "reversed_at",
    ]
    list_select_related = ["payer"]
    list_filter = [
        ("payer", ScopedFilter), "currency",
        ("reversed_at", admin.EmptyFieldListFilter),
    ]  # fmt: skip
    search_fields = ["reference"]
    date_hierarchy = "received_at"
    fields = ["payer", "money", "means", "reference", "received_at", "reversed_at"]
    readonly_fields = ["money", "means"]
    inlines = [AllocationInline, RefundInline]

    @admin.display(description="method", ordering="method")
    def means(self, payment: Payment) -> str:
        return payment.method.replace("_", " ")
