"""Checks issued documents: content hashes, sums, and links of the hash chain."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from billing.invoicing.domain.canonical import chain_hash
from billing.invoicing.domain.content import Line, content_of
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.documents import header_of, issue_of, lines_of
from billing.invoicing.verification.findings import (
    Finding,
    about_document,
    about_payer,
)
from core.postgres.arrays import array_text

ZERO = Decimal(0)
CHUNK = 200
# One statement, so that a document issued meanwhile is seen by both sides or neither.
LINKS = """
    SELECT document.id, coalesce(before.hash, ''),
           coalesce(after.previous_hash, account.last_hash, '')
    FROM billing_document AS document
    LEFT JOIN billing_billingaccount AS account ON account.payer_id = document.payer_id
    LEFT JOIN billing_document AS before
        ON before.payer_id = document.payer_id AND before.number = document.number - 1
    LEFT JOIN billing_document AS after
        ON after.payer_id = document.payer_id AND after.number = document.number + 1
    WHERE document.id = ANY(%s::bigint[])
"""
ACCOUNTS = """
    SELECT account.payer_id, agency.code, account.next_number, account.last_hash,
           (SELECT count(*) FROM billing_document AS document
            WHERE document.payer_id = account.payer_id AND document.state <> 'draft'),
           coalesce((SELECT hash FROM billing_document AS document
                     WHERE document.payer_id = account.payer_id
                       AND document.number IS NOT NULL
                     ORDER BY document.number DESC LIMIT 1), '')
    FROM billing_billingaccount AS account
    JOIN seats_agency AS agency ON agency.id = account.payer_id
    ORDER BY account.payer_id
"""


@dataclass(frozen=True, slots=True)
class Links:
    """The previous document's hash, and the hash that the next document names."""

    before: str
    after: str


def check_contents(document_ids: Collection[int]) -> Iterator[Finding]:
    """Check issued documents against their own hashes, sums and chain neighbors.

    Makes three queries for each 200 documents. Changes nothing.
    """
    ids = sorted(document_ids)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        rows = Document.objects.filter(pk__in=chunk).exclude(state="draft")
        lines, links = lines_of(chunk), links_of(chunk)
        for document in rows.select_related("price_list").order_by("pk"):
            own = lines.get(document.pk, [])
            yield from check_content(document, own, links[document.pk])


def check_content(
    document: Document, lines: Sequence[Line], links: Links
) -> Iterator[Finding]:
    """Check one issued document, whose price list was selected with it.

    Messages contain the current values, so that another change makes another finding.
    """
    about = about_document(document.pk, document.payer_id)
    if document.previous_hash != links.before:
        message = (
            f"previous_hash is {document.previous_hash[:12] or 'empty'}, but the"
            f" previous document's hash is {links.before[:12] or 'empty'}"
        )
        yield Finding("chain_broken", str(document), message, about)
    if document.hash != links.after:
        message = (
            f"hash is {document.hash[:12]}, but the next document or the account names"
            f" {links.after[:12] or 'no hash'}"
        )
        yield Finding("chain_broken", str(document), message, about)
    computed = chain_hash(content_of(header_of(document), lines, issue_of(document)))
    if document.hash != computed:
        message = f"content hashes to {computed[:12]}, not to {document.hash[:12]}"
        yield Finding("hash_differs", str(document), message, about)
    total = sum((line.amount for line in lines), ZERO)
    if document.subtotal != total:
        message = (
            f"lines sum to {total} {document.currency}, but the subtotal is"
            f" {document.subtotal} {document.currency}"
        )
        yield Finding("sum_differs", str(document), message, about)


def check_counters() -> Iterator[Finding]:
    """Check each payer's next number and last hash, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(ACCOUNTS)
        for payer_id, code, next_number, last_hash, count, newest in cursor.fetchall():
            about = about_payer(payer_id)
            if next_number != count + 1:
                message = f"the next number is {next_number}, but should be {count + 1}"
                yield Finding("counter_differs", code, message, about)
            if last_hash != newest:
                message = (
                    f"the last hash is {last_hash[:12]}, but the newest document's hash"
                    f" is {newest[:12]}"
                )
                yield Finding("chain_broken", code, message, about)


def links_of(document_ids: Sequence[int]) -> dict[int, Links]:
    """The neighbors of each document in its payer's chain, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(LINKS, [array_text(document_ids)])
        return {pk: Links(before, after) for pk, before, after in cursor.fetchall()}
