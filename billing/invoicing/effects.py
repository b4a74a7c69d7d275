"""What staff are about to do to documents and parked payers, in sentences."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings

from billing.accounts.models import Account
from billing.invoicing.models import Document, RunItem
from billing.money import money_label

Status = Document.Status
Data = dict[str, Any] | None


def issue_effects(documents: list[Document], data: Data) -> list[str]:
    """Which number each draft gets, what it comes to, and when it is due."""
    drafts = [one for one in documents if one.status == Status.DRAFT]
    accounts = Account.objects.in_bulk([one.payer_id for one in drafts])
    terms: timedelta = settings.BILLING["PAYMENT_TERMS"]
    lines = [
        f"{one} of {one.payer.code} over {_total(one)} becomes"
        f" {one.payer.code}-{accounts[one.payer_id].next_number:05d}, due in {terms.days}"
        " days. It is announced; credit of the payer is used for it, and the rest is"
        " charged at once where the payer has a payment method."
        for one in drafts
    ]
    return _sums(drafts, "will be issued") + lines + _others(documents)


def discard_effects(documents: list[Document], data: Data) -> list[str]:
    """What is thrown away and built again."""
    drafts = [one for one in documents if one.status == Status.DRAFT]
    lines = [
        f"{one} of {one.payer.code} over {_total(one)} is thrown away, and"
        f" {one.month:%B %Y} is billed again from the facts of now; the total may differ."
        for one in drafts
    ]
    return lines + _others(documents)


def void_effects(documents: list[Document], data: Data) -> list[str]:
    """What is no longer owed, and how it comes back."""
    lines = []
    for one in documents:
        kind = "Credit note" if one.kind == Document.Kind.CORRECTION else "Invoice"
        if one.status not in {Status.OPEN, Status.UNCOLLECTIBLE, Status.PAID}:
            lines.append(f"{one} is {one.status}: it cannot be voided.")
            continue
        lines.append(
            f"{kind} {one} of {one.payer.code} over {_total(one)} will be void: of it"
            f" {money_label(Decimal(0), one.currency)} is owed instead of"
            f" {_total(one)}. Its lines count as not billed, so that what is still owed"
            " for them is billed again on the next document."
        )
    return lines


def release_effects(items: list[RunItem], data: Data) -> list[str]:
    """Who is billed again, and why that did not work before."""
    return [
        f"{item.payer.code} is billed for {item.run.month:%B %Y} and every month before"
        f" that waits, from the facts of now. It was parked: {item.last_error}"
        if item.state == RunItem.State.PARKED
        else f"{item.payer.code} is {item.get_state_display()}, not parked."
        for item in items
    ]


def accept_effects(items: list[RunItem], data: Data) -> list[str]:
    """Who is billed whatever the total."""
    warning = "Totals are not checked this time: however unusual, they are billed."
    return [warning, *release_effects(items, data)]


def _total(document: Document) -> str:
    return money_label(document.total, document.currency)


def _sums(documents: list[Document], verb: str) -> list[str]:
    totals: dict[str, list[Decimal]] = defaultdict(list)
    for one in documents:
        totals[one.currency].append(one.total)
    return [
        f"In all {len(amounts)} over {money_label(sum(amounts, Decimal(0)), currency)}"
        f" {verb}."
        for currency, amounts in sorted(totals.items())
    ]


def _others(documents: list[Document]) -> list[str]:
    return [
        f"{one} over {_total(one)} is {one.status}: nothing happens to it."
        for one in documents
        if one.status != Status.DRAFT
    ]
