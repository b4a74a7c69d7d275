"""Sentences that show staff what an action does to documents and parked payers."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from billing.accounts.models import BillingAccount
from billing.invoicing.domain.numbers import printed_number
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import RunItem
from billing.invoicing.services.documents import is_voidable
from core.admin.actions import Unchanged
from core.money import money_label

State = Document.State
FormData = dict[str, Any] | None


def issue_effects(documents: list[Document], data: FormData) -> list[str]:
    """The number, total and due date that each draft will get."""
    drafts = [document for document in documents if document.state == State.DRAFT]
    accounts = BillingAccount.objects.in_bulk([draft.payer_id for draft in drafts])
    terms: timedelta = settings.BILLING["PAYMENT_TERMS"]
    lines = [
        f"{_named(draft)} becomes"
        f" {printed_number(draft.payer.code, accounts[draft.payer_id].next_number)}, due in"
        f" {terms.days} days. The payer's credit is applied to it; the rest is charged"
        " at once if the payer has a payment method."
        for draft in drafts
    ]
    return _sums(drafts, "will be issued") + lines + _others(documents)


def discard_effects(documents: list[Document], data: FormData) -> list[str]:
    """The drafts that will be discarded and built again."""
    drafts = [document for document in documents if document.state == State.DRAFT]
    lines = [
        f"{_named(draft)} is discarded, and {draft.month:%B %Y} is billed again from"
        " today's data. The total may differ."
        for draft in drafts
    ]
    return lines + _others(documents)


def void_effects(documents: list[Document], data: FormData) -> list[str]:
    """The amounts that will no longer be owed, and how they are billed again."""
    lines: list[str] = []
    for document in documents:
        kind = "Credit note" if document.kind == Document.Kind.CORRECTION else "Invoice"
        if not is_voidable(document):
            reason = f"{document} is {document.state} and cannot be voided."
            lines.append(Unchanged(reason))
            continue
        lines.append(
            f"{kind} {_named(document)} will be voided:"
            f" {money_label(Decimal(0), document.currency)} is owed instead of"
            f" {_total(document)}. Its lines count as not billed, so what is still owed"
            " for them is billed again on the next document. It cannot be voided while"
            " money is applied to it: refund or reverse that money first."
        )
    return lines


def release_effects(items: list[RunItem], data: FormData) -> list[str]:
    """The payers that will be billed again, and why each was parked."""
    return [
        f"{item.payer.code} is billed for {item.run.month:%B %Y} and every earlier month"
        f" that is not billed yet, from today's data. It was parked: {item.last_error}"
        if item.state == RunItem.State.PARKED
        else Unchanged(f"{item.payer.code} is {item.get_state_display()}, not parked.")
        for item in items
    ]


def accept_effects(items: list[RunItem], data: FormData) -> list[str]:
    """The payers that will be billed without a check for unusual totals."""
    warning = "Totals are not checked this time: they are billed even if unusual."
    parked = any(item.state == RunItem.State.PARKED for item in items)
    return [*([warning] if parked else []), *release_effects(items, data)]


def _named(document: Document) -> str:
    return f"{document} of {document.payer.code} for {_total(document)}"


def _total(document: Document) -> str:
    return money_label(document.total, document.currency)


def _sums(documents: list[Document], verb: str) -> list[str]:
    totals: dict[str, list[Decimal]] = defaultdict(list)
    for document in documents:
        totals[document.currency].append(document.total)
    return [
        f"In all, {len(amounts)} for {money_label(sum(amounts, Decimal(0)), currency)}"
        f" {verb}."
        for currency, amounts in sorted(totals.items())
    ]


def _others(documents: list[Document]) -> list[str]:
    return [
        Unchanged(
            f"{document} for {_total(document)} is {document.state} and does not change."
        )
        for document in documents
        if document.state != State.DRAFT
    ]
