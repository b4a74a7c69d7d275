"""The hourly pass: unpaid invoices, and documents issued or voided recently."""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from django.db.models import Q

from billing.invoicing.models.documents import Document, Void
from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.invoicing.verification.contents import check_contents, check_counters
from billing.invoicing.verification.documents import check_states
from billing.invoicing.verification.findings import Finding

# A transaction that began before the last pass may have been committed after it.
OVERLAP = timedelta(hours=1)
OF_DOCUMENTS = {
    "hash_differs", "chain_broken", "sum_differs", "void_differs", "overcovered",
    "paid_without_payment", "paid_but_open", "void_with_money",
}  # fmt: skip
OF_PAYERS = {"counter_differs", "chain_broken"}


def since_last_pass(*, before: int | None = None) -> datetime | None:
    """The start of the last finished pass, less an overlap; None if there is none.

    `before` is the id of a run: only earlier passes count.
    """
    rows = VerificationRun.objects.filter(state=VerificationRun.State.FINISHED)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    last = rows.order_by("-started_at").first()
    return last.started_at - OVERLAP if last else None


def documents_to_check(since: datetime | None, also: Collection[int]) -> set[int]:
    """Ids of unpaid invoices, of documents issued or voided since then, and of `also`.

    Includes documents with an unresolved finding, so that it can be resolved.
    """
    findings = VerificationFinding.objects.filter(resolved_at=None)
    named = findings.exclude(document=None).values_list("document", flat=True)
    owed = Q(kind="invoice", state__in=["open", "uncollectible"])
    if since is None:
        owed = ~Q(state="draft")
    else:
        voided = Void.objects.filter(recorded_at__gte=since)
        owed |= Q(issued_at__gte=since) | Q(pk__in=voided.values("document"))
    rows = Document.objects.filter(owed | Q(pk__in=named))
    return {*rows.values_list("pk", flat=True), *also}


def check_recent_changes(document_ids: Collection[int]) -> Iterator[Finding]:
    """Check the contents, links and voids of documents, and every payer's counter."""
    yield from check_contents(document_ids)
    yield from check_states(document_ids)
    yield from check_counters()


def covers(row: VerificationFinding, document_ids: Collection[int]) -> bool:
    """Whether a pass over these documents would have reported a finding again."""
    if row.scope == VerificationFinding.Scope.DOCUMENT:
        return row.code in OF_DOCUMENTS and row.document_id in document_ids
    return row.scope == VerificationFinding.Scope.PAYER and row.code in OF_PAYERS
