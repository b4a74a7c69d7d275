"""Admin pages of refund attempts and disputes."""

from django.contrib import admin

from billing.collection.admin.amounts import WithMoney
from billing.collection.admin.manual_resolution import ClosingAdmin
from billing.collection.models.disputes import Dispute, DisputeChange
from billing.collection.models.refunds import RefundAttempt, RefundAttemptChange
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline


class RefundChangeInline(ReadOnlyInline):
    """Every state that the refund attempt has had."""

    model = RefundAttemptChange
    fields = ["state", "error", "recorded_at"]


@admin.register(RefundAttempt)
class RefundAttemptAdmin(WithMoney, ClosingAdmin):
    """Refund attempts; a refund is requested on the page of its payment."""

    menu = ("Disputes and refunds", "Refunds")
    list_display = [
        "payment", "payment__payer", "money", "state", "reason", "last_error", "changed_at",
        "reported_at",
    ]  # fmt: skip
    list_select_related = ["payment__payer"]
    list_filter = [
        "state", ("reported_at", admin.EmptyFieldListFilter), "processor",
    ]  # fmt: skip
    search_fields = ["payment__payer__code", "public_id", "reference"]
    readonly_fields = ["public_id"]
    inlines = [RefundChangeInline]


class DisputeChangeInline(ReadOnlyInline):
    """Every state that the dispute has had."""

    model = DisputeChange
    fields = ["state", "reason", "recorded_at"]


@admin.register(Dispute)
class DisputeAdmin(WithMoney, ReadOnlyAdmin):
    """Disputes; they are answered at the processor."""

    menu = ("Disputes and refunds", "Disputes")
    list_display = [
        "payment", "payment__payer", "money", "state", "reason", "reference", "reported_at",
    ]  # fmt: skip
    list_select_related = ["payment__payer"]
    list_filter = ["state", "processor"]
    search_fields = ["payment__payer__code", "payment__reference", "reference"]
    inlines = [DisputeChangeInline]
