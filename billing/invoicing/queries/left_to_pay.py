"""What is left to pay of an invoice: its total less what covers it."""

from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from billing.invoicing.models.documents import Document

# Of `document`, a row of billing_document, in its currency.
LEFT_TO_PAY = """
    document.total - coalesce((
        SELECT sum(amount) FROM billing_allocation
        WHERE document_id = document.id), 0)
"""


def with_left_to_pay(documents: QuerySet[Document]) -> QuerySet[Any]:
    """The same documents, each with `left_to_pay`, in its currency."""
    same = Document.objects.filter(pk=OuterRef("pk")).order_by().values("pk")
    covered = same.annotate(sum=Sum("covered_by__amount")).values("sum")
    nothing = Value(Decimal(0), DecimalField())
    return documents.annotate(
        left_to_pay=F("total") - Coalesce(Subquery(covered), nothing)
    )
