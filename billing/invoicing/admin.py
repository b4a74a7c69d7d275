"""Documents and runs, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from billing.invoicing.models import BillingRun, Document, DocumentLine, RunItem
from billing.invoicing.services.documents import (
    discard_draft,
    issue_document,
    void_document,
)
from billing.invoicing.services.runs import release_item
from billing.invoicing.tasks import close_due_items
from seats.readonly import ReadOnlyAdmin, ReadOnlyInline, ask_and_do, try_each


class LineInline(ReadOnlyInline):
    model = DocumentLine
    fields = [
        "position", "agency", "description", "late", "quantity", "included",
        "unit_price", "amount_before", "amount_now", "amount", "tax",
    ]  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[DocumentLine]:
        return super().get_queryset(request).select_related("agency")


class VoidForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=500)


@admin.register(Document)
class DocumentAdmin(ReadOnlyAdmin):
    list_display = [
        "__str__", "payer", "kind", "month", "status", "total", "currency",
        "issued_at", "due_at",
    ]  # fmt: skip
    list_select_related = ["payer"]
    list_filter = ["status", "kind", "currency", "month"]
    search_fields = ["payer__code", "payer__name", "=number"]
    inlines = [LineInline]
    actions = ["issue", "discard", "void"]

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
        told = _by(request)
        try_each(
            self,
            request,
            documents,
            lambda one: discard_draft(document_id=one.pk, **told),
            "discarded",
        )
        close_due_items.delay()

    @admin.action(description="Void", permissions=["view"])
    def void(
        self, request: HttpRequest, documents: QuerySet[Document]
    ) -> HttpResponse | None:
        def work(chosen: list[Document], told: dict[str, Any]) -> None:
            for one in chosen:
                void_document(document_id=one.pk, **_by(request), **told)

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
        told = _by(request)
        try_each(
            self,
            request,
            items,
            lambda one: release_item(item=one, accept_outliers=accept_outliers, **told),
            "released",
        )
        close_due_items.delay()


def _by(request: HttpRequest) -> dict[str, Any]:
    return {"actor": str(request.user), "now": timezone.now()}
