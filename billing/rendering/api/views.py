"""The API route of documents as PDF."""

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request

from billing.invoicing.api.documents import document_of
from billing.invoicing.domain.scopes import InvoiceScope
from billing.rendering.services.files import open_file
from seats.api_keys.api.views import KeyView


class InvoicePdfView(KeyView):
    """The PDF of an issued invoice or credit note."""

    required_scope = InvoiceScope.READ
    pagination_class = None

    @extend_schema(
        operation_id="download_invoice_pdf",
        summary="Download an invoice or credit note as PDF",
        description="The same document always has the same bytes. While the PDF is still"
        " being made, answers `file_not_ready`.",
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
        extensions={"x-problems": [409]},
    )
    def get(self, request: Request, public_id: UUID) -> HttpResponse:
        document = document_of(self, public_id)
        return HttpResponse(
            open_file(document),
            content_type="application/pdf",
            headers={
                "Content-Disposition": f'attachment; filename="{document.label}.pdf"'
            },
        )
