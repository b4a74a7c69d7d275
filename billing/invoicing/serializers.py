"""Issued documents and their lines as the API tells them."""

from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.invoicing.models import Document, DocumentLine
from billing.money import plain


@extend_schema_field(OpenApiTypes.STR)
class Plain(serializers.Field):  # type: ignore[type-arg]
    """A decimal as text, without idle zeros."""

    def to_representation(self, value: Decimal) -> str:
        return plain(value)


@extend_schema_field({"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"})
class Month(serializers.DateField):
    """A month, written 2026-10."""

    def __init__(self) -> None:
        super().__init__(format="%Y-%m")


class DocumentOut(serializers.ModelSerializer[Document]):
    """An issued document; `label` is the number as printed."""

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    month = Month()
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
    month = Month()
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
