"""The documents of an agency, on its page for staff."""

from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import RunItem
from billing.invoicing.queries.left_to_pay import with_left_to_pay
from core.admin.panels import Money, Panel, Table
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)

OWED = ["open", "uncollectible"]


@AGENCY.panel("documents", order=320, permission="billing.view_document")
def documents_panel(request: HttpRequest, code: str) -> Panel:
    """Its newest documents, with what is left to pay of each, and of all in total."""
    agency = shown_agency(request, code)
    documents = with_left_to_pay(Document.objects.filter(payer=agency))
    newest = first_rows(documents.order_by("-pk"))
    owed = documents.filter(kind="invoice", state__in=OWED)
    left = sum(owed.values_list("left_to_pay", flat=True), Decimal(0))
    return Panel(
        key="documents",
        title="Left to pay",
        figure=Money(left, agency.currency),
        table=Table(
            ["Document", "Month", "State", "Total", "Left to pay", "Due (UTC)"],
            [_row(document) for document in newest],
            empty="It has no document yet.",
        ),
        links=[list_for("All documents", "billing_document", "payer", agency)],
        is_wide=True,
    )


def _row(document: Any) -> list[Any]:
    is_owed = document.kind == "invoice" and document.state in OWED
    left = document.left_to_pay if is_owed else Decimal(0)
    return [
        row_link("billing_document", document),
        f"{document.month:%Y-%m}",
        document.get_state_display(),
        Money(document.total, document.currency),
        Money(left, document.currency),
        f"{document.due_at:%Y-%m-%d}" if document.due_at else "",
    ]


@AGENCY.panel("parked", order=315, permission="billing.view_runitem")
def parked_panel(request: HttpRequest, code: str) -> Panel | None:
    """Why it cannot be billed, if it is parked."""
    agency = shown_agency(request, code)
    parked = RunItem.objects.filter(payer=agency, state=RunItem.State.PARKED)
    items = first_rows(parked.select_related("run").order_by("-pk"))
    if not items:
        return None
    return Panel(
        key="parked",
        title="It cannot be billed",
        sentences=[f"{item.run.month:%B %Y}: {item.last_error}" for item in items],
        links=[
            list_for(
                "Bill it again", "billing_runitem", "payer", agency,
                state__exact="parked",
            )
        ],
    )  # fmt: skip
