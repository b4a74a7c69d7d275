"""What a payer's next documents would say, for programs."""

from datetime import date
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.invoicing.content import Line
from billing.invoicing.lines import ZERO
from billing.invoicing.services.drafting import NewDocument
from billing.invoicing.services.previews import preview_documents
from billing.money import plain
from seats.errors import Refusal
from seats.keys.models import ApiKey
from seats.keys.queries import agencies_of
from seats.models import Agency
from seats.periods import month_of, next_month

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


class BadMonth(Refusal):
    code = "bad_month"
    status = 400


class NextInvoicesView(APIView):
    """The documents that closing a month now would write; nothing is kept."""

    required_scope = "invoices:read"

    @extend_schema(
        operation_id="preview_invoices",
        summary="A payer's next documents, as of now",
        parameters=[
            OpenApiParameter("month", str, required=True, description="2026-10"),
            OpenApiParameter("agency", str, description="payer; the key's without"),
        ],
        responses={(200, "application/json"): {"type": "array", "items": DOCUMENT}},
    )
    def get(self, request: Request) -> Response:
        key = request.auth
        assert isinstance(key, ApiKey)
        month = _month(request.query_params.get("month", ""))
        payer = _agency(key, request.query_params.get("agency", ""))
        documents = preview_documents(payer=payer, month=month, now=timezone.now())
        return Response([_document(payer, document) for document in documents])


def _month(text: str) -> date:
    """The first of a month written 2026-10, up to the next one."""
    try:
        month = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise BadMonth("Write the month as 2026-10.", field="month") from error
    if month > next_month(month_of(timezone.now().date())):
        raise BadMonth("The month lies too far ahead.", field="month")
    return month


def _agency(key: ApiKey, code: str) -> Agency:
    """An agency that the key reaches; all others look as if they were not there."""
    if not code and key.agency:
        return key.agency
    agency = Agency.objects.filter(code=code).first() if code.isprintable() else None
    reached = agencies_of(key, now=timezone.now())
    if agency is None or (reached is not None and agency.pk not in reached):
        raise NotFound
    return agency


def _document(payer: Agency, document: NewDocument) -> dict[str, Any]:
    names = document.parties["agencies"]
    return {
        "payer": payer.code,
        "month": f"{document.month:%Y-%m}",
        "currency": document.currency,
        "price_list": document.price_list,
        "total": plain(sum((line.amount for line in document.lines), start=ZERO)),
        "lines": [
            {**_line(line), "agency": names[str(line.agency_id)]["code"]}
            for line in document.lines
        ],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "month": f"{line.month:%Y-%m}",
        "late": line.late,
        "meter": line.meter,
        "description": line.description,
        "quantity": plain(line.quantity),
        "amount_before": plain(line.amount_before),
        "amount_now": plain(line.amount_now),
        "amount": plain(line.amount),
    }
