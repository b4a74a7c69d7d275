"""The page of invoices and credit notes, for members of agencies."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from billing.invoicing.admin.columns import DocumentColumns, LineColumns
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.left_to_pay import with_left_to_pay
from core.admin.cells import ByPrintedNumber, MonthFilter
from core.admin.scoped import ScopedAdmin, ScopedFilter, ScopedInline, agency_page
from seats.access.domain import Action

ISSUED = [state for state in Document.State.values if state != Document.State.DRAFT]


class LineInline(LineColumns, ScopedInline):
    """The lines of a document of the payer, also those of agencies that it pays for."""

    model = DocumentLine
    agency_path = "document__payer"
    view = Action.VIEW_MONEY
    verbose_name_plural = "lines"
    readonly_fields = [
        "whose", "description", "late", "units", "price", "before", "now", "adds",
    ]  # fmt: skip
    fields = tuple(readonly_fields)

    @admin.display(description="agency")
    def whose(self, line: DocumentLine) -> str:
        return line.agency.code

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentLine]:
        lines: QuerySet[DocumentLine] = super().get_queryset(request)
        return lines.select_related("agency", "document")


class ScopedMonthFilter(MonthFilter):
    """Offers the months of documents within reach."""

    def rows(self, request: HttpRequest, model_admin: Any) -> QuerySet[Any]:
        documents = Document.objects.exclude(state=Document.State.DRAFT)
        return model_admin.rows_for(request, documents, model_admin.view)  # type: ignore[no-any-return]


@agency_page(Document)
class DocumentPage(DocumentColumns, ByPrintedNumber, ScopedAdmin):
    """Documents that were issued; drafts are the platform's until then."""

    menu = ("Money", "Invoices")
    activity = {
        "billing_document": ["total"],
        "billing_billingaccount": ["billing_name", "address", "email", "tax_id"],
    }
    activity_rows = Q(operation="update", after__state__in=ISSUED)
    agency_path = "payer"
    view = Action.VIEW_MONEY
    list_display = [
        "__str__", "state", "amount", "left", "payer", "period", "due_at", "issued_at",
    ]  # fmt: skip
    list_select_related = ["payer"]
    list_filter = [("payer", ScopedFilter), "state", "kind", ScopedMonthFilter]
    search_fields = ["payer__code", "payer__name"]
    fields = [
        "payer", "kind", "period", "state", "amount", "left", "issued_at", "due_at",
        "seat_statement",
    ]  # fmt: skip
    readonly_fields = ["period", "amount", "left", "seat_statement"]
    inlines = [LineInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        documents: QuerySet[Document] = super().get_queryset(request)
        return with_left_to_pay(documents.exclude(state=Document.State.DRAFT))
