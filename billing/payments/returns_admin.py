"""Refunds that processors were asked for, for staff."""

from django.contrib import admin

from billing.payments.returns import RefundAttempt, RefundAttemptChange
from seats.readonly import ReadOnlyAdmin, ReadOnlyInline


class RefundChangeInline(ReadOnlyInline):
    model = RefundAttemptChange
    fields = ["state", "error", "recorded_at"]


@admin.register(RefundAttempt)
class RefundAttemptAdmin(ReadOnlyAdmin):
    """What became of refunds; one is asked for at its payment."""

    list_display = [
        "public_id", "payment", "processor", "amount", "currency", "state", "error",
        "changed_at",
    ]  # fmt: skip
    list_select_related = ["payment", "processor"]
    list_filter = ["state", "processor"]
    search_fields = ["payment__payer__code", "public_id", "reference"]
    readonly_fields = ["public_id"]
    inlines = [RefundChangeInline]
