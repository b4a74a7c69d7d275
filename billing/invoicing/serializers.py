"""Issued documents and their lines as the API tells them."""

from typing import Any

from rest_framework import serializers

from billing.invoicing.models import Document, DocumentLine
from billing.metering.serializers import Plain


class DocumentOut(serializers.ModelSerializer[Document]):
    """An issued document; `label` is the number as printed."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    month = serializers.DateField(format="%Y-%m")
    price_list = serializers.CharField(source="price_list.code", default="")
    subtotal = Plain()
    tax = Plain()
    total = Plain()

    class Meta:
        model = Document
        fields = [
            "id", "label", "payer", "kind", "status", "month", "currency", "subtotal",
            "tax", "total", "issued_at", "due_at", "price_list", "price_list_hash",
            "hash", "previous_hash",
        ]  # fmt: skip


class LineOut(serializers.ModelSerializer[DocumentLine]):
    """A line: `amount` is what it adds, now less before."""

    agency = serializers.CharField(source="agency.code")
    month = serializers.DateField(format="%Y-%m")
    meter = serializers.CharField(source="meter.code", default=None, allow_null=True)
    price_list = serializers.CharField(source="price_list.code")
    raw = Plain()
    billable = Plain()
    quantity = Plain()
    included = Plain()
    unit_price = Plain(allow_null=True)
    charge = Plain()
    amount_before = Plain()
    amount_now = Plain()
    amount = Plain()
    tax = Plain()

    class Meta:
        model = DocumentLine
        fields = [
            "position", "agency", "month", "late", "meter", "price_list",
            "description", "raw", "billable", "quantity", "included", "unit_price",
            "charge", "amount_before", "amount_now", "amount", "tax",
        ]  # fmt: skip


class DocumentFilter(serializers.Serializer[Any]):
    """What a list of documents is narrowed to."""

    agency = serializers.CharField(required=False, help_text="The payer.")
    month = serializers.CharField(required=False, max_length=7, help_text="2026-10")
    status = serializers.ChoiceField(
        [s for s in Document.Status.values if s != "draft"], required=False
    )
    kind = serializers.ChoiceField(Document.Kind.values, required=False)
