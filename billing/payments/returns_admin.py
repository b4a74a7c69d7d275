"""Refunds that processors were asked for, and disputes, for staff."""

from django.contrib import admin

from billing.payments.closing_admin import ClosingAdmin
from billing.payments.returns import (
    Dispute,
    DisputeChange,
    RefundAttempt,
    RefundAttemptChange,
)
from seats.readonly import ReadOnlyAdmin, ReadOnlyInline


class RefundChangeInline(ReadOnlyInline):
    model = RefundAttemptChange
    fields = ["state", "error", "recorded_at"]


@admin.register(RefundAttempt)
class RefundAttemptAdmin(ClosingAdmin):
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


class DisputeChangeInline(ReadOnlyInline):
    model = DisputeChange
    fields = ["state", "reason", "recorded_at"]


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """What payers' banks took back, or may; answered at the processor."""

    list_display = [
        "reference", "payment", "processor", "amount", "currency", "state", "reason",
        "told_at",
    ]  # fmt: skip
    list_select_related = ["payment", "processor"]
    list_filter = ["state", "processor"]
    search_fields = ["payment__payer__code", "payment__reference", "reference"]
    inlines = [DisputeChangeInline]
