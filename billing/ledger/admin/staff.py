"""The ledger, for staff to read."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.ledger.models import LedgerEntry, LedgerTransaction
from core.admin.cells import money_cell
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline


class EntryInline(ReadOnlyInline):
    """The entries of a transaction, which sum to zero."""

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
    """Ledger transactions: what was posted for each document, payment and refund."""

    menu = ("Payments", "Ledger")
    list_display = ["__str__", "payer", "kind", "currency", "recorded_at"]
    list_select_related = ["payer"]
    list_filter = ["kind", "currency"]
    search_fields = ["payer__code"]
    inlines = [EntryInline]


def _side(amount: Decimal, entry: LedgerEntry) -> str:
    return money_cell(amount, entry.transaction.currency) if amount > 0 else ""
