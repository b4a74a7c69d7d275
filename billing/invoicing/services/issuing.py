"""Issuing drafts: number, dates, hash, watermark and announcement, all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from billing.accounts.models import Account
from billing.invoicing.canonical import chain_hash
from billing.invoicing.content import Issue, content_of
from billing.invoicing.models import Document
from billing.invoicing.numbers import printed_number
from billing.invoicing.services.drafting import Draft
from billing.invoicing.signals import documents_issued
from billing.money import plain
from billing.webhooks.services import NewEvent, publish
from seats.arrays import array_text, columns, text_array

ISSUE = """
    UPDATE billing_document AS document SET
        status = issued.status, number = issued.number, issued_at = %(now)s,
        due_at = %(due_at)s, hash = issued.hash, previous_hash = issued.previous_hash
    FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(numbers)s::int[],
                %(hashes)s::text[], %(befores)s::text[])
        AS issued(id, status, number, hash, previous_hash)
    WHERE document.id = issued.id AND document.status = 'draft'
"""
ADVANCE_ACCOUNTS = """
    UPDATE billing_account AS account
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
class Issued:
    """A draft with what issuing gave it."""

    draft: Draft
    issue: Issue
    hash: str
    status: str


def lock_accounts(payer_ids: Sequence[int]) -> dict[int, Account]:
    """Lock payers in the order of their ids, in a statement of its own."""
    accounts = Account.objects.select_for_update(no_key=True).filter(
        payer__in=payer_ids
    )
    return {account.payer_id: account for account in accounts.order_by("payer_id")}


def issue_drafts(
    drafts: Sequence[Draft], accounts: Mapping[int, Account], *, now: datetime
) -> list[Issued]:
    """Issue drafts of locked payers, in their order, and announce each."""
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
        status = "open" if draft.header.total else "paid"
        issued.append(Issued(draft, issue, digest, status))
    _write(issued, accounts, now, due_at)
    publish([event for one in issued for event in _events(one)], now=now)
    documents_issued.send(
        Document,
        documents=[draft.id for draft in drafts],
        payers={draft.header.payer_id for draft in drafts},
        now=now,
    )
    return issued


def raise_watermarks(marks: Sequence[tuple[int, int, int, Any]]) -> None:
    """Move (payer id, agency id, cut-off, month) forward, never back."""
    if not marks:
        return
    with connection.cursor() as cursor:
        cursor.execute(RAISE_WATERMARKS, columns(sorted(marks), 4))


def _write(
    issued: Sequence[Issued],
    accounts: Mapping[int, Account],
    now: datetime,
    due_at: datetime,
) -> None:
    moved = {
        one.draft.header.payer_id: accounts[one.draft.header.payer_id] for one in issued
    }
    with connection.cursor() as cursor:
        cursor.execute(
            ISSUE,
            {
                "now": now,
                "due_at": due_at,
                "ids": array_text(one.draft.id for one in issued),
                "statuses": array_text(one.status for one in issued),
                "numbers": array_text(one.issue.number for one in issued),
                "hashes": array_text(one.hash for one in issued),
                "befores": text_array(one.issue.previous_hash for one in issued),
            },
        )
        cursor.execute(
            ADVANCE_ACCOUNTS,
            columns(
                [(n, one.next_number, one.last_hash) for n, one in moved.items()], 3
            ),
        )


def _events(one: Issued) -> list[NewEvent]:
    header = one.draft.header
    code = header.parties["payer"]["code"]
    kind = "credit_note" if header.kind == "correction" else "invoice"
    payload = {
        "id": header.public_id,
        "number": printed_number(code, one.issue.number),
        "month": header.month.isoformat(),
        "currency": header.currency,
        "total": plain(header.total),
        "due_at": one.issue.due_at.isoformat(),
        "hash": one.hash,
    }
    subject = f"document:{header.public_id}"
    events = [NewEvent(header.payer_id, f"{kind}.issued", subject, payload)]
    if kind == "invoice" and one.status == "paid":
        events.append(NewEvent(header.payer_id, "invoice.paid", subject, payload))
    return events
