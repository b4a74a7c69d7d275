"""The API routes of issued documents and of previews of the next ones."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.invoicing.api.serializers import DocumentFilter, DocumentOut, LineOut
from billing.invoicing.domain.content import Line, content_of
from billing.invoicing.domain.lines import ZERO
from billing.invoicing.domain.scopes import InvoiceScope
from billing.invoicing.models.documents import Document, DocumentLine
from billing.invoicing.queries.documents import header_of, issue_of, lines_of
from billing.invoicing.services.drafting import NewDocument
from billing.invoicing.services.previews import preview_documents
from core.errors import NotFound
from core.money import money_text, plain
from seats.api_keys.api.views import KeyView
from seats.models import Agency

LINE = {
    "agency": "string", "month": "string", "late": "boolean", "meter": "string",
    "description": "string", "quantity": "string", "amount_before": "string",
    "amount_now": "string", "amount": "string",
}  # fmt: skip
DOCUMENT = {
    "type": "object",
    "properties": {
        "payer": {"type": "string"},
        "month": {"type": "string"},
        "currency": {"type": "string"},
        "price_list": {"type": "string"},
        "total": {"type": "string"},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": kind} for name, kind in LINE.items()},
            },
        },
    },
}
CONTENT = {
    "type": "object",
    "properties": {
        **{
            name: {"type": "string"}
            for name in (
                "id", "kind", "month", "currency", "price_list", "price_list_hash",
                "subtotal", "tax", "total", "issued_at", "due_at", "previous_hash",
            )
        },
        "number": {"type": "integer"},
        "parties": {"type": "object"},
        "cutoffs": {"type": "object"},
        "lines": {"type": "array", "items": {"type": "object"}},
    },
}  # fmt: skip


class InvoicesView(KeyView):
    """Issued invoices and credit notes of the payers within reach."""

    required_scope = InvoiceScope.READ
    serializer_class = DocumentOut

    @extend_schema(
        operation_id="list_invoices",
        summary="List issued invoices and credit notes",
        parameters=[DocumentFilter],
        responses=DocumentOut(many=True),
    )
    def get(self, request: Request) -> Response:
        params = self.checked(DocumentFilter, request.query_params)
        rows = issued_documents(self)
        if "agency" in params:
            rows = rows.filter(payer=self.agency(params["agency"]))
        if "month" in params:
            rows = rows.filter(month=self.month(params["month"]))
        for name in ("state", "kind"):
            if name in params:
                rows = rows.filter(**{name: params[name]})
        return self.page(rows, DocumentOut)


class InvoiceView(KeyView):
    """An issued invoice or credit note."""

    required_scope = InvoiceScope.READ
    serializer_class = DocumentOut

    @extend_schema(operation_id="get_invoice", summary="Get an invoice or credit note")
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(DocumentOut(document_of(self, public_id)).data)


class InvoiceContentView(KeyView):
    """The content that the hash of an issued document covers."""

    required_scope = InvoiceScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="get_invoice_content",
        summary="Get the content that the hash covers",
        description="The hash is the SHA-256 of this content as JSON in UTF-8, with"
        " sorted keys and no spaces. `previous_hash` is the hash of the payer's previous"
        " document.",
        responses={(200, "application/json"): CONTENT},
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        document = document_of(self, public_id)
        lines = lines_of([document.pk]).get(document.pk, [])
        content = content_of(header_of(document), lines, issue_of(document))
        return Response(content)


class InvoiceLinesView(KeyView):
    """The lines of an issued document."""

    required_scope = InvoiceScope.READ
    serializer_class = LineOut

    @extend_schema(
        operation_id="list_invoice_lines",
        summary="List the lines of an invoice or credit note",
        responses=LineOut(many=True),
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        document = document_of(self, public_id)
        rows = DocumentLine.objects.filter(document=document)
        rows = rows.select_related("document", "agency", "meter", "price_list")
        return self.page(rows, LineOut)


class NextInvoicesView(KeyView):
    """The documents that closing a month now would write. Stores nothing."""

    required_scope = InvoiceScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="preview_invoices",
        summary="Preview a payer's next documents",
        parameters=[
            OpenApiParameter(
                "month", str, required=True, description="A month: 2026-10."
            ),
            OpenApiParameter(
                "agency",
                str,
                description="The payer's code. Default: the API key's agency.",
            ),
        ],
        responses={(200, "application/json"): {"type": "array", "items": DOCUMENT}},
    )
    def get(self, request: Request) -> Response:
        month = self.month(request.query_params.get("month", ""))
        payer = self.agency(request.query_params.get("agency", ""))
        documents = preview_documents(payer=payer, month=month, now=self.now)
        return Response([_preview(payer, document) for document in documents])


def issued_documents(view: KeyView) -> QuerySet[Document]:
    """The issued documents of the payers within reach."""
    issued = Document.objects.exclude(state=Document.State.DRAFT)
    return view.within(issued, "payer").select_related("payer", "price_list")


def document_of(view: KeyView, public_id: UUID) -> Document:
    """An issued document within reach, by its public id. Raises NotFound."""
    document = issued_documents(view).filter(public_id=public_id).first()
    if document is None:
        raise NotFound
    return document


def _preview(payer: Agency, document: NewDocument) -> dict[str, Any]:
    names = document.parties["agencies"]
    total = sum((line.amount for line in document.lines), start=ZERO)
    return {
        "payer": payer.code,
        "month": f"{document.month:%Y-%m}",
        "currency": document.currency,
        "price_list": document.price_list,
        "total": money_text(total, document.currency),
        "lines": [
            {
                **_line(line, document.currency),
                "agency": names[str(line.agency_id)]["code"],
            }
            for line in document.lines
        ],
    }


def _line(line: Line, currency: str) -> dict[str, Any]:
    return {
        "month": f"{line.month:%Y-%m}",
        "late": line.late,
        "meter": line.meter,
        "description": line.description,
        "quantity": plain(line.quantity),
        "amount_before": money_text(line.amount_before, currency),
        "amount_now": money_text(line.amount_now, currency),
        "amount": money_text(line.amount, currency),
    }
