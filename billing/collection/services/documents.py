"""Effects of issuing and voiding documents on the payers' accounts."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, Sum

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.services.attempts import (
    ChargeUnderWay,
    failed_event,
    request_charges_on_issue,
)
from billing.invoicing.models.documents import Document
from billing.invoicing.queries.holds import documents_on_hold
from billing.invoicing.services.documents import DocumentAltered
from billing.ledger.models import LedgerEntry
from billing.ledger.services import post_issued, post_voided
from billing.receivables.models import Allocation
from billing.receivables.services.allocating import settle_accounts
from billing.webhooks.services.outbox import publish
from core.errors import Refusal
from core.money import money_label

ZERO = Decimal(0)
REVENUE = {"seat": "revenue_seats", "usage": "revenue_usage"}


class MoneyInvolved(Refusal):
    """Money is already allocated to the document, so it cannot be voided.

    Correct the data instead; the next document bills or credits the difference.
    """

    code = "document_has_money"


def record_issued_documents(
    *, document_ids: Sequence[int], payer_ids: Collection[int], now: datetime
) -> None:
    """Post documents just issued, allocate payments and credit, and charge the rest.

    Must be called in the transaction that issues them, with their payers locked.
    """
    post_issued(document_ids, now=now)
    settle_accounts(payer_ids, now=now)
    request_charges_on_issue(document_ids=document_ids, payer_ids=payer_ids, now=now)


def record_voided_document(*, document: Document, now: datetime) -> None:
    """Post the void of a locked document; call it in the transaction of the void.

    A charge that waits because the document is on hold ends unsent. Raises
    MoneyInvolved if anything is allocated, ChargeUnderWay while an attempt is open, and
    DocumentAltered if its total or lines are not what the ledger posted.
    """
    if documents_on_hold([document.pk]):
        _cancel_unsent(document, now)
    open_attempts = PaymentAttempt.objects.filter(
        invoice=document, state__in=PaymentAttempt.OPEN
    )
    if open_attempts.exists():
        raise ChargeUnderWay(
            f"A charge of {document} is in progress. Try again when it has ended.",
            field="state",
        )
    allocations = Allocation.objects.filter(
        Q(document=document) | Q(credit_note=document)
    )
    covered = allocations.aggregate(sum=Sum("amount"))["sum"] or ZERO
    if covered:
        raise MoneyInvolved(
            f"{document} cannot be voided:"
            f" {money_label(covered, document.currency)} of it is already allocated.",
            field="state",
        )
    _require_as_posted(document)
    post_voided([document.pk], now=now)


def _require_as_posted(document: Document) -> None:
    """What is taken back must be what was posted. Raises DocumentAltered."""
    entries = LedgerEntry.objects.filter(
        transaction__kind="issued", transaction__fact_id=document.pk
    )
    posted = dict(entries.values_list("account", "amount"))
    lines = document.lines.order_by().values_list("kind").annotate(sum=Sum("amount"))
    sums = {"receivable": document.total, "tax_payable": -document.tax}
    sums |= {REVENUE[kind]: -amount for kind, amount in lines}
    if posted != {account: amount for account, amount in sums.items() if amount}:
        total = money_label(document.total, document.currency)
        owed = money_label(posted.get("receivable", ZERO), document.currency)
        raise DocumentAltered(
            f"{document} cannot be voided because it no longer matches the ledger: its"
            f" total is {total}, and {owed} was posted when it was issued. Restore its"
            " total and lines, then void it.",
            field="state",
        )


def _cancel_unsent(document: Document, now: datetime) -> None:
    """End attempts that were never sent; waits for a worker that is sending one now."""
    rows = PaymentAttempt.objects.select_for_update(of=("self",), no_key=True)
    unsent = rows.filter(invoice=document, state=PaymentAttempt.State.CREATED)
    for attempt in unsent.select_related("invoice", "processor"):
        attempt.state, attempt.changed_at = PaymentAttempt.State.FAILED, now
        attempt.last_error = "never sent: the document was voided"
        attempt.save(update_fields=["state", "last_error", "changed_at"])
        publish(failed_event(attempt), now=now)
