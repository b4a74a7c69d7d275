"""Documents and runs, for staff."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join

from billing.doorbell import ring
from billing.invoicing.downloads import DOWNLOADS
from billing.invoicing.models import BillingRun, Document, DocumentLine, RunItem
from billing.invoicing.queries.statements import seats_behind
from billing.invoicing.services.documents import (
    discard_draft,
    issue_document,
    void_document,
)
from billing.invoicing.services.runs import release_item
from billing.invoicing.tasks import close_due_items
from billing.invoicing.usage_views import calls_file
from billing.money import money_text, plain
from seats.readonly import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    acting,
    ask_and_do,
    try_each,
)


class LineInline(ReadOnlyInline):
    """Amounts as the currency writes them, numbers without idle zeros."""

    model = DocumentLine
    readonly_fields = [
        "agency", "description", "late", "units", "price", "before", "now", "adds",
        "calls",
    ]  # fmt: skip
    fields = tuple(readonly_fields)

    @admin.display(description="quantity")
    def units(self, line: DocumentLine) -> str:
        included = f" ({plain(line.included)} included)" if line.included else ""
        return plain(line.quantity) + included

    @admin.display(description="unit price")
    def price(self, line: DocumentLine) -> str:
        return "-" if line.unit_price is None else plain(line.unit_price)

    @admin.display(description="amount before")
    def before(self, line: DocumentLine) -> str:
        return money_text(line.amount_before, line.document.currency)

    @admin.display(description="amount now")
    def now(self, line: DocumentLine) -> str:
        return money_text(line.amount_now, line.document.currency)

    @admin.display(description="amount")
    def adds(self, line: DocumentLine) -> str:
        return money_text(line.amount, line.document.currency)

    @admin.display(description="calls")
    def calls(self, line: DocumentLine) -> str:
        """Every call behind a line of usage, to download."""
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


class VoidForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=500)


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__", "status", "amount", "left", "payer", "kind", "period", "due_at",
        "issued_at",
    ]  # fmt: skip
    fields = [
        "payer", "kind", "period", "status", "amount", "left", "issued_at", "due_at",
        "seat_statement", "price_list", "price_list_hash", "hash", "previous_hash",
        "parties", "cutoffs", "run", "created_at", "review_until",
    ]  # fmt: skip
    readonly_fields = ["period", "amount", "left", "seat_statement"]
    list_select_related = ["payer"]
    list_filter = ["status", "kind", "currency", "month"]
    search_fields = ["payer__code", "payer__name", "=number"]
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

    @admin.display(description="month", ordering="month")
    def period(self, document: Document) -> str:
        return f"{document.month:%Y-%m}"

    @admin.display(description="total", ordering="total")
    def amount(self, document: Document) -> str:
        return f"{money_text(document.total, document.currency)} {document.currency}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        rows: QuerySet[Document] = super().get_queryset(request)
        return rows.annotate(covered=Sum("covered_by__amount"))

    @admin.display(description="left to pay")
    def left(self, document: Any) -> str:
        if document.kind != "invoice" or document.status in {"draft", "void"}:
            return ""
        left = document.total - (document.covered or 0)
        return money_text(left, document.currency)

    @admin.display(description="seats")
    def seat_statement(self, document: Document) -> str:
        """The names behind each seat line, and what a seat includes."""
        lines = document.lines.filter(kind="seat").select_related(
            "agency", "price_list"
        )
        parts = [
            {
                "title": f"{line.agency.code}, {line.month:%Y-%m}",
                "nothing": money_text(Decimal(0), document.currency),
                "includes": line.price_list.seat_includes,
                "rows": seats_behind(line),
            }
            for line in lines
        ]
        return render_to_string("admin/billing/statement.html", {"parts": parts})

    @admin.action(description="Issue drafts now", permissions=["view"])
    def issue(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        try_each(
            self,
            request,
            documents,
            lambda one: issue_document(document_id=one.pk, now=timezone.now()),
            "issued",
        )

    @admin.action(description="Discard drafts and build again", permissions=["view"])
    def discard(self, request: HttpRequest, documents: QuerySet[Document]) -> None:
        told = acting(request)
        try_each(
            self,
            request,
            documents,
            lambda one: discard_draft(document_id=one.pk, **told),
            "discarded",
        )
        ring(close_due_items)

    @admin.action(description="Void", permissions=["view"])
    def void(
        self, request: HttpRequest, documents: QuerySet[Document]
    ) -> HttpResponse | None:
        def work(chosen: list[Document], told: dict[str, Any]) -> None:
            for one in chosen:
                void_document(document_id=one.pk, **acting(request), **told)

        return ask_and_do(self, request, documents, VoidForm, work)


@admin.register(BillingRun)
class BillingRunAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__",
        "payer",
        "progress",
        "parked",
        "started_at",
        "finished_at",
    ]
    list_select_related = ["payer"]
    list_filter = ["month"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BillingRun]:
        settled = Q(items__state__in=["done", "parked", "released"])
        runs: QuerySet[BillingRun] = super().get_queryset(request)
        return runs.annotate(
            total=Count("items"),
            settled=Count("items", filter=settled),
            parked_count=Count("items", filter=Q(items__state="parked")),
        )

    @admin.display(description="payers settled")
    def progress(self, run: Any) -> str:
        return f"{run.settled} of {run.total}"

    @admin.display(description="parked", ordering="parked_count")
    def parked(self, run: Any) -> int:
        return int(run.parked_count)


@admin.register(RunItem)
class RunItemAdmin(ReadOnlyAdmin):
    """Payers of runs; the filter "parked" shows who waits for a person."""

    list_display = [
        "payer", "run", "state", "code", "last_error", "attempts", "documents",
    ]  # fmt: skip
    list_select_related = ["payer", "run"]
    list_filter = ["state", "code", "run__month"]
    search_fields = ["payer__code"]
    actions = ["release", "accept"]

    @admin.action(description="Bill parked payers again", permissions=["view"])
    def release(self, request: HttpRequest, items: QuerySet[RunItem]) -> None:
        self._release(request, items, accept_outliers=False)

    @admin.action(description="Bill, the unusual total is right", permissions=["view"])
    def accept(self, request: HttpRequest, items: QuerySet[RunItem]) -> None:
        self._release(request, items, accept_outliers=True)

    def _release(
        self, request: HttpRequest, items: QuerySet[RunItem], *, accept_outliers: bool
    ) -> None:
        told = acting(request)
        try_each(
            self,
            request,
            items,
            lambda one: release_item(item=one, accept_outliers=accept_outliers, **told),
            "released",
        )
        ring(close_due_items)
