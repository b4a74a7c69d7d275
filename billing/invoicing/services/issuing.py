"""Issues drafts: number, dates, hash, watermark and event in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from billing.accounts.models import BillingAccount
from billing.invoicing.domain.canonical import chain_hash
from billing.invoicing.domain.content import Issue, content_of
from billing.invoicing.domain.numbers import printed_number
from billing.invoicing.domain.webhook_events import (
    CreditNoteIssued,
    DocumentEvent,
    InvoiceIssued,
    InvoicePaid,
)
from billing.invoicing.models.documents import Document
from billing.invoicing.services.drafting import Draft
from billing.invoicing.signals import documents_issued
from billing.webhooks.services.outbox import publish
from core.postgres.arrays import array_text, columns, text_array

ISSUE = """
    UPDATE billing_document AS document SET
        state = issued.state, number = issued.number, issued_at = %(now)s,
        due_at = %(due_at)s, hash = issued.hash, previous_hash = issued.previous_hash
    FROM unnest(%(ids)s::bigint[], %(states)s::text[], %(numbers)s::int[],
                %(hashes)s::text[], %(befores)s::text[])
        AS issued(id, state, number, hash, previous_hash)
    WHERE document.id = issued.id AND document.state = 'draft'
"""
ADVANCE_ACCOUNTS = """
    UPDATE billing_billingaccount AS account
    SET next_number = moved.next_number, last_hash = moved.last_hash
    FROM unnest(%s::bigint[], %s::int[], %s::text[])
        AS moved(payer_id, next_number, last_hash)
    WHERE account.payer_id = moved.payer_id
"""
RAISE_WATERMARKS = """
    INSERT INTO billing_watermark (payer_id, agency_id, billed_cutoff, billed_through)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::date[])
    ON CONFLICT (payer_id, agency_id) DO UPDATE SET
        billed_cutoff =
            greatest(billing_watermark.billed_cutoff, excluded.billed_cutoff),
        billed_through =
            greatest(billing_watermark.billed_through, excluded.billed_through)
"""


@dataclass(frozen=True, slots=True)
class IssuedDraft:
    """A draft with its number, dates, hash and new state."""

    draft: Draft
    issue: Issue
    hash: str
    state: str


def lock_accounts(payer_ids: Sequence[int]) -> dict[int, BillingAccount]:
    """Lock payers in the order of their ids, in a separate statement, by payer id."""
    accounts = BillingAccount.objects.select_for_update(no_key=True).filter(
        payer__in=payer_ids
    )
    return {account.payer_id: account for account in accounts.order_by("payer_id")}


def issue_drafts(
    drafts: Sequence[Draft], accounts: Mapping[int, BillingAccount], *, now: datetime
) -> list[IssuedDraft]:
    """Issue drafts in their order and publish an event for each.

    The payers' accounts must be locked; their counters are moved in place.
    """
    if not drafts:
        return []
    due_at = now + settings.BILLING["PAYMENT_TERMS"]
    issued = []
    for draft in drafts:
        account = accounts[draft.header.payer_id]
        issue = Issue(account.next_number, now, due_at, account.last_hash)
        digest = chain_hash(content_of(draft.header, draft.lines, issue))
        account.next_number += 1
        account.last_hash = digest
        state = "open" if draft.header.total else "paid"
        issued.append(IssuedDraft(draft, issue, digest, state))
    _write(issued, accounts, now, due_at)
    publish(*(event for document in issued for event in _events(document)), now=now)
    documents_issued.send(
        Document,
        documents=[draft.id for draft in drafts],
        payers={draft.header.payer_id for draft in drafts},
        now=now,
    )
    return issued


def raise_watermarks(marks: Sequence[tuple[int, int, int, Any]]) -> None:
    """Move watermarks forward, never back. Each mark: payer, agency, cut-off, month."""
    if not marks:
        return
    with connection.cursor() as cursor:
        cursor.execute(RAISE_WATERMARKS, columns(sorted(marks), 4))


def _write(
    issued: Sequence[IssuedDraft],
    accounts: Mapping[int, BillingAccount],
    now: datetime,
    due_at: datetime,
) -> None:
    payer_ids = dict.fromkeys(document.draft.header.payer_id for document in issued)
    counters = [
        (payer_id, accounts[payer_id].next_number, accounts[payer_id].last_hash)
        for payer_id in payer_ids
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            ISSUE,
            {
                "now": now,
                "due_at": due_at,
                "ids": array_text(document.draft.id for document in issued),
                "states": array_text(document.state for document in issued),
                "numbers": array_text(document.issue.number for document in issued),
                "hashes": array_text(document.hash for document in issued),
                "befores": text_array(
                    document.issue.previous_hash for document in issued
                ),
            },
        )
        cursor.execute(ADVANCE_ACCOUNTS, columns(counters, 3))


def _events(document: IssuedDraft) -> list[DocumentEvent]:
    header = document.draft.header
    is_credit_note = header.kind == "correction"
    event_types: list[type[DocumentEvent]] = [
        CreditNoteIssued if is_credit_note else InvoiceIssued
    ]
    if not is_credit_note and document.state == "paid":
        event_types.append(InvoicePaid)
    return [_event(document, event_type) for event_type in event_types]


def _event(document: IssuedDraft, event_type: type[DocumentEvent]) -> DocumentEvent:
    header = document.draft.header
    return event_type(
        agency_id=header.payer_id,
        subject=f"document:{header.public_id}",
        id=UUID(header.public_id),
        number=printed_number(header.parties["payer"]["code"], document.issue.number),
        month=header.month,
        currency=header.currency,
        total=header.total,
        due_at=document.issue.due_at,
        hash=document.hash,
    )
