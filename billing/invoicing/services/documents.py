"""Issues, discards and voids single documents."""

import logging
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing.invoicing.domain.content import Line
from billing.invoicing.domain.webhook_events import (
    CreditNoteVoided,
    DocumentVoided,
    InvoiceVoided,
)
from billing.invoicing.models.documents import Document, DocumentLine, Void
from billing.invoicing.models.runs import BillingRun, RunItem
from billing.invoicing.queries.documents import header_of, lines_of
from billing.invoicing.services.drafting import Draft
from billing.invoicing.services.issuing import (
    issue_drafts,
    lock_accounts,
    raise_watermarks,
)
from billing.invoicing.services.runs import reopen_month, require_over, resume_run
from billing.invoicing.signals import document_voided, step_reached
from billing.webhooks.services.outbox import publish
from core.errors import ReasonMissing, Refusal
from core.money import money_label
from seats.cutoffs.services import stamp_facts

log = logging.getLogger(__name__)
State = Document.State


class DocumentNotDraft(Refusal):
    """The document is not a draft.

    Reload the document; only drafts can be issued or discarded.
    """

    code = "document_not_draft"


class NotVoidable(Refusal):
    """The document cannot be voided in its current state.

    Void only open and uncollectible documents, and paid ones over 0.00.
    """

    code = "document_not_voidable"


class DocumentAltered(Refusal):
    """The document no longer matches its lines or the ledger.

    Discard a draft and build it again; restore an issued document before you void
    it.
    """

    code = "document_altered"


def issue_document(*, document_id: int, now: datetime) -> Document:
    """Give a draft its number, freeze it, move the watermark, and publish the event.

    Safe to repeat. Raises DocumentNotDraft for a void or uncollectible document, and
    DocumentAltered for one whose amounts are not those of its lines.
    """
    with transaction.atomic(durable=True):
        document = _lock(document_id)
        if document.state in {State.OPEN, State.PAID}:
            return document
        if document.state != State.DRAFT:
            raise DocumentNotDraft(
                f"{document} is {document.state} and cannot be issued. Only drafts can"
                " be issued."
            )
        accounts = lock_accounts([document.payer_id])
        lines = lines_of([document.pk])[document.pk]
        _require_sums(document, lines)
        issue_drafts(
            [Draft(document.pk, header_of(document), lines)], accounts, now=now
        )
        raise_watermarks(
            [
                (document.payer_id, int(agency_id), cutoff, document.month)
                for agency_id, cutoff in document.cutoffs.items()
            ]
        )
        _requeue_waiting_items(document.payer_id, now)
        document.refresh_from_db()
    step_reached.send(Document, step="issued")
    return document


def _require_sums(draft: Document, lines: Sequence[Line]) -> None:
    """What is issued must add up. Raises DocumentAltered."""
    sum_of_lines = sum((line.amount for line in lines), Decimal(0))
    if draft.subtotal != sum_of_lines:
        subtotal = money_label(draft.subtotal, draft.currency)
        raise DocumentAltered(
            f"{draft} cannot be issued: its subtotal is {subtotal}, and its lines sum to"
            f" {money_label(sum_of_lines, draft.currency)}. Discard it and build it"
            " again.",
            field="state",
        )


def issue_due(*, now: datetime, limit: int = 500) -> int:
    """Issue the drafts whose review is over; return how many were issued.

    A draft that cannot be issued is logged and tried again next time; it does not keep
    the others waiting. Safe to repeat.
    """
    due = Document.objects.filter(state=State.DRAFT, review_until__lte=now)
    ids = list(due.order_by("review_until").values_list("pk", flat=True)[:limit])
    return sum(_issue_or_log(document_id, now) for document_id in ids)


def _issue_or_log(document_id: int, now: datetime) -> bool:
    try:
        issue_document(document_id=document_id, now=now)
    except Refusal as refusal:
        log.error("document %d cannot be issued: %s", document_id, refusal.message)
        return False
    except Exception:
        log.exception("Document %d could not be issued.", document_id)
        return False
    return True


def discard_draft(*, document_id: int, actor: str, now: datetime) -> BillingRun:
    """Delete a draft and bill its month again at a new cut-off.

    Returns the new run. Raises DocumentNotDraft, MonthNotOver.
    """
    with transaction.atomic(durable=True):
        document = _lock(document_id)
        if document.state != State.DRAFT or document.run is None:
            raise DocumentNotDraft(
                f"{document} is {document.state} and cannot be discarded. Only drafts"
                " of a billing run can be discarded."
            )
        month, payer = document.run.month, document.payer
        require_over(month=month, payer=payer, now=now)
        DocumentLine.objects.filter(document=document).delete()
        Document.objects.filter(pk=document.pk).delete()
        run = reopen_month(month=month, payer=payer, actor=actor, now=now)
        _requeue_waiting_items(payer.pk, now)
    step_reached.send(BillingRun, step="opened")
    resume_run(run=run, now=now)
    return run


def is_voidable(document: Document) -> bool:
    """Whether the state allows voiding; `document_voided` receivers may refuse."""
    is_free = document.state == State.PAID and document.total == 0
    return is_free or document.state in {State.OPEN, State.UNCOLLECTIBLE}


def void_document(
    *, document_id: int, actor: str, reason: str, now: datetime
) -> Document:
    """Void an issued document, so that its lines no longer count as billed.

    The next run bills what is still owed. Raises NotVoidable, ReasonMissing, and what
    receivers of `document_voided` raise, such as a refusal because money is applied.
    """
    if not reason:
        raise ReasonMissing("Enter a reason for voiding the document.", field="reason")
    agency_ids = set(
        DocumentLine.objects.filter(document=document_id).values_list(
            "agency", flat=True
        )
    )
    with transaction.atomic(durable=True):
        cutoffs = stamp_facts(agency_ids)
        document = _lock(document_id)
        if not is_voidable(document):
            raise NotVoidable(
                f"{document} is {document.state} and cannot be voided. Only open and"
                " uncollectible documents, and paid ones with a total of 0.00, can be voided.",
                field="state",
            )
        Void.objects.bulk_create(
            Void(
                document=document,
                agency_id=agency_id,
                actor=actor,
                reason=reason,
                cutoff=cutoffs[agency_id],
                recorded_at=now,
            )
            for agency_id in sorted(agency_ids)
        )
        document_voided.send(Document, document=document, now=now)
        document.state = State.VOID
        document.save(update_fields=["state"])
        publish(voided_event(document, cutoffs, actor, reason), now=now)
    return document


def _lock(document_id: int) -> Document:
    """Lock the payer, then the document. Raises DocumentNotDraft for one that is discarded."""
    rows = Document.objects.filter(pk=document_id)
    payer_id = rows.values_list("payer", flat=True).first()
    document = None
    if payer_id is not None:
        lock_accounts([payer_id])
        locked = rows.select_for_update(of=("self",), no_key=True)
        document = locked.select_related("price_list", "run", "payer").first()
    if document is None:
        raise DocumentNotDraft("The draft was discarded in the meantime.")
    return document


def _requeue_waiting_items(payer_id: int, now: datetime) -> None:
    """Make the run items that waited for the payer's draft due again."""
    items = RunItem.objects.filter(payer=payer_id, state=RunItem.State.REVIEW)
    items.requeue(now=now)


def voided_event(
    document: Document, cutoffs: dict[int, int], actor: str, reason: str
) -> DocumentVoided:
    """The event that a document was voided; `cutoffs` are by agency id."""
    is_credit_note = document.kind == Document.Kind.CORRECTION
    event_type = CreditNoteVoided if is_credit_note else InvoiceVoided
    return event_type(
        agency_id=document.payer_id,
        subject=f"document:{document.public_id}",
        id=document.public_id,
        number=document.label,
        total=document.total,
        actor=actor,
        reason=reason,
        cutoffs={str(agency): cutoff for agency, cutoff in cutoffs.items()},
    )
