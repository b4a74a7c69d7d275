"""The page of invoices and credit notes, for members of agencies."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import Http404, HttpRequest
from django.utils import timezone

from billing.invoicing.admin.columns import DocumentColumns
from billing.invoicing.admin.invoice import INVOICE, due_at_payer
from billing.invoicing.admin.words import state_in_words
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.left_to_pay import with_left_to_pay
from core.admin.cells import ByPrintedNumber, MonthFilter
from core.admin.scoped import ScopedAdmin, ScopedFilter, agency_page
from seats.access.domain import Action
from seats.models import AgencyZone

ISSUED = [state for state in Document.State.values if state != Document.State.DRAFT]


class ScopedMonthFilter(MonthFilter):
    """Offers the months of documents within reach."""

    def rows(self, request: HttpRequest, model_admin: Any) -> QuerySet[Any]:
        documents = Document.objects.exclude(state=Document.State.DRAFT)
        return model_admin.rows_for(request, documents, model_admin.view)  # type: ignore[no-any-return]


@agency_page(Document)
class DocumentPage(DocumentColumns, ByPrintedNumber, ScopedAdmin):
    """Documents that were issued; drafts are the platform's until then.

    The page of a row is the invoice as people read it.
    """

    menu = ("Money", "Invoices")
    activity = {
        "billing_document": ["total"],
        "billing_billingaccount": ["billing_name", "address", "email", "tax_id"],
    }
    activity_rows = Q(operation="update", after__state__in=ISSUED)
    agency_path = "payer"
    view = Action.VIEW_MONEY
    list_display = [
        "__str__", "state_words", "left", "amount", "payer", "period", "due", "issued",
    ]  # fmt: skip
    list_select_related = ["payer"]
    list_filter = [("payer", ScopedFilter), "state", "kind", ScopedMonthFilter]
    search_fields = ["payer__code", "payer__name"]
    fields = ["payer", "kind", "period", "state", "amount", "left"]
    readonly_fields = ["period", "amount", "left"]

    @admin.display(description="state", ordering="state")
    def state_words(self, document: Any) -> str:
        due_at = due_at_payer(document.due_at, document.zone)
        return state_in_words(document, due_at, now=timezone.now())

    @admin.display(description="due", ordering="due_at")
    def due(self, document: Any) -> str:
        return f"{due_at_payer(document.due_at, document.zone):%Y-%m-%d %Z}"

    @admin.display(description="issued", ordering="issued_at")
    def issued(self, document: Any) -> str:
        return f"{due_at_payer(document.issued_at, document.zone):%Y-%m-%d %Z}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        documents: QuerySet[Document] = super().get_queryset(request)
        zones = AgencyZone.objects.filter(
            agency=OuterRef("payer"), starts_on__lte=OuterRef("issued_at__date")
        )
        zone = Subquery(zones.order_by("-starts_on").values("zone")[:1])
        issued = documents.exclude(state=Document.State.DRAFT)
        rows: QuerySet[Document] = with_left_to_pay(issued).annotate(zone=zone)
        return rows

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The invoice; whatever is posted here changes nothing."""
        if request.method not in {"GET", "HEAD"}:
            return super().change_view(request, *args, **kwargs)
        object_id = str(kwargs["object_id"])
        document = self.get_object(request, unquote(object_id))
        if document is None:
            raise Http404
        return INVOICE.respond(self.admin_site, request, document_id=document.pk)
