"""Collection holds: which documents must not be charged now."""

from collections.abc import Collection
from datetime import datetime
from itertools import chain

from billing.invoicing.models.documents import Document
from billing.invoicing.models.verification import VerificationFinding
from billing.invoicing.queries.holds import documents_on_hold
from billing.invoicing.verification.contents import check_contents
from billing.invoicing.verification.recording import record_findings
from billing.receivables.queries.receivables import check_attempts, check_receivables
from core.errors import Kind, Refusal


class CollectionOnHold(Refusal):
    """Collection of the invoice is on hold while its content is checked.

    Try again later; our staff has been notified.
    """

    code = "collection_on_hold"
    kind = Kind.CONFLICT


def find_on_hold(document_ids: Collection[int], *, now: datetime) -> set[int]:
    """The documents among these that must not be charged now.

    They are documents with an open finding, documents whose stored content is not what
    was issued, documents with an open attempt over another amount than was owed, and all
    documents of a payer whose ledger receivable differs from its documents and
    allocations. Each is recomputed, and a difference is recorded as a finding at once, in
    the caller's transaction if there is one. Repeating is harmless.
    """
    if not document_ids:
        return set()
    held = documents_on_hold(document_ids)
    unheld = set(document_ids) - held
    payers = Document.objects.filter(pk__in=unheld).values_list("payer", flat=True)
    checks = (
        check_contents(unheld),
        check_receivables(set(payers)),
        check_attempts(unheld),
    )
    altered = list(chain.from_iterable(checks))
    if altered:
        record_findings(altered, covers=_covers_none, run=None, now=now)
        held |= documents_on_hold(document_ids)
    return held


def require_collectable(document: Document, *, now: datetime) -> None:
    """Raises CollectionOnHold if `find_on_hold` names the document."""
    if find_on_hold([document.pk], now=now):
        raise CollectionOnHold(
            f"Collection of {document} is on hold while its content is checked."
            " Our staff has been notified. Try again later.",
            field="invoice",
        )


def _covers_none(row: VerificationFinding) -> bool:
    return False
