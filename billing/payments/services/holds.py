"""The one question every charge asks: may this document be collected now?"""

from collections.abc import Collection
from datetime import datetime
from itertools import chain

from billing.invoicing.integrity import VerificationFinding
from billing.invoicing.models import Document
from billing.invoicing.queries.holds import documents_on_hold
from billing.invoicing.verification.contents import check_contents
from billing.invoicing.verification.recording import record_findings
from billing.payments.queries.receivables import check_attempts, check_receivables
from seats.errors import Refusal


class CollectionOnHold(Refusal):
    code = "collection_on_hold"


def find_on_hold(document_ids: Collection[int], *, now: datetime) -> set[int]:
    """The documents among these that nobody may be charged for now.

    Those that an open finding concerns, those whose stored content is not what was
    issued, those with an open attempt over another amount than was owed, and all of a
    payer that owes something else by the ledger than by its documents and what covers
    them: each is read and computed again, and a difference becomes a finding at once,
    in the caller's transaction if there is one. Repeating is harmless.
    """
    if not document_ids:
        return set()
    held = documents_on_hold(document_ids)
    rest = set(document_ids) - held
    payers = Document.objects.filter(pk__in=rest).values_list("payer", flat=True)
    checks = check_contents(rest), check_receivables(set(payers)), check_attempts(rest)
    altered = list(chain.from_iterable(checks))
    if altered:
        record_findings(altered, covers=_nothing, run=None, now=now)
        held |= documents_on_hold(document_ids)
    return held


def require_collectable(document: Document, *, now: datetime) -> None:
    """Raises CollectionOnHold where `find_on_hold` names the document."""
    if find_on_hold([document.pk], now=now):
        raise CollectionOnHold(
            f"Collection of {document} is on hold while its content is checked."
            " Our staff has been notified; try again later.",
            field="invoice",
        )


def _nothing(row: VerificationFinding) -> bool:
    return False
