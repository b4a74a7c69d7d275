"""The staff admin of documents."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join

from billing.invoicing.admin import effects
from billing.invoicing.admin.columns import DocumentColumns, LineColumns
from billing.invoicing.api.usage import calls_file
from billing.invoicing.domain.downloads import DOWNLOADS
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.left_to_pay import with_left_to_pay
from billing.invoicing.services.documents import (
    discard_draft,
    issue_document,
    void_document,
)
from billing.invoicing.tasks import close_due_items
from core.admin.actions import ActionOutcome, staff_action, work_each
from core.admin.cells import ByPrintedNumber, MonthFilter
from core.admin.readonly import ReadOnlyAdmin, ReadOnlyInline, actor_and_now
from core.queue.doorbell import ring


class LineInline(LineColumns, ReadOnlyInline):
    model = DocumentLine
    readonly_fields = [
        "agency", "description", "late", "units", "price", "before", "now", "adds",
        "calls",
    ]  # fmt: skip
    fields = tuple(readonly_fields)

    @admin.display(description="calls")
    def calls(self, line: DocumentLine) -> str:
        """Links to download every call behind a usage line."""
        if line.meter_id is None:
            return "-"
        links = [
            (reverse("admin:billing_document_calls", args=[line.pk, kind]), kind)
            for kind in DOWNLOADS
        ]
        return format_html_join(" ", '<a href="{}">{}</a>', links)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentLine]:
        lines: QuerySet[DocumentLine] = super().get_queryset(request)
        return lines.select_related("agency", "document")


PAYABLE = {"kind": "invoice", "state__in": ["open", "uncollectible"]}


@admin.register(Document)
class DocumentAdmin(DocumentColumns, ByPrintedNumber, ReadOnlyAdmin):
    """Invoices and credit notes; drafts are issued or discarded, issued ones voided."""

    menu = ("Documents", "Invoices and credit notes")
    list_display = [
        "__str__", "state", "amount", "left", "payer", "period", "due_at", "issued_at",
    ]  # fmt: skip
    fields = [
        "payer", "kind", "period", "state", "amount", "left", "issued_at", "due_at",
        "seat_statement", "price_list", "price_list_hash", "hash", "previous_hash",
        "parties", "cutoffs", "run", "created_at", "review_until",
    ]  # fmt: skip
    readonly_fields = ["period", "amount", "left", "seat_statement"]
    list_select_related = ["payer"]
    list_filter = ["state", "kind", "currency", MonthFilter]
    search_fields = ["payer__code", "payer__name"]
    inlines = [LineInline]
    actions = ["issue", "discard", "void"]

    def get_urls(self) -> list[URLPattern]:
        calls = path(
            "lines/<int:pk>/calls.<str:kind>",
            self.admin_site.admin_view(self.calls_view),
            name="billing_document_calls",
        )
        return [calls, *super().get_urls()]

    def calls_view(
        self, request: HttpRequest, pk: int, kind: str
    ) -> StreamingHttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        lines = DocumentLine.objects.exclude(meter=None)
        line = get_object_or_404(lines.select_related("document", "meter"), pk=pk)
        if kind not in DOWNLOADS:
            raise Http404
        return calls_file(line, kind)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return with_left_to_pay(super().get_queryset(request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Offer only invoices that can be paid in select boxes for an invoice."""
        if request.GET.get("field_name") == "invoice":
            queryset = queryset.filter(**PAYABLE)
        return super().get_search_results(request, queryset, search_term)

    @staff_action(
        "Issue drafts now",
        effects=effects.issue_effects,
        undo="An issued document never changes. It can be voided while nothing is paid.",
        done="issued",
        atomic=False,
    )
    def issue(
        self, request: HttpRequest, documents: list[Document], data: dict[str, Any]
    ) -> ActionOutcome:
        now = timezone.now()

        def work(document: Document) -> str | None:
            issued = issue_document(document_id=document.pk, now=now)
            return None if issued.issued_at == now else "was already issued"

        return work_each(documents, work)

    @staff_action(
        "Discard drafts and bill again",
        effects=effects.discard_effects,
        undo="A discarded draft cannot be restored; the new draft replaces it.",
        done="discarded",
        atomic=False,
    )
    def discard(
        self, request: HttpRequest, documents: list[Document], data: dict[str, Any]
    ) -> ActionOutcome:
        who = actor_and_now(request)

        def work(document: Document) -> None:
            discard_draft(document_id=document.pk, **who)

        outcome = work_each(documents, work)
        ring(close_due_items)
        return outcome

    @staff_action(
        "Void",
        effects=effects.void_effects,
        undo="A voided document stays void. What is still owed is billed again.",
        done="voided",
        atomic=False,
    )
    def void(
        self, request: HttpRequest, documents: list[Document], data: dict[str, Any]
    ) -> ActionOutcome:
        who = {**actor_and_now(request), "reason": data["reason"]}

        def work(document: Document) -> None:
            void_document(document_id=document.pk, **who)

        return work_each(documents, work)
