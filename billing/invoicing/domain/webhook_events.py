"""Webhook events of documents, billing runs and verification. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.webhook_events import Internal, Month, WebhookEvent


@dataclass(frozen=True, kw_only=True)
class DocumentEvent(WebhookEvent):
    """An invoice or a credit note, as it was issued."""

    id: UUID
    number: str
    month: Month
    currency: str
    total: Decimal
    due_at: datetime
    hash: str


class InvoiceIssued(DocumentEvent):
    """An invoice was issued."""

    event_type = "invoice.issued"
    message = "Invoice {number} for {month} was issued: {total}, due on {due_at}."


class InvoicePaid(DocumentEvent):
    """An invoice was paid in full."""

    event_type = "invoice.paid"
    message = "Invoice {number} was paid in full."


class CreditNoteIssued(DocumentEvent):
    """A credit note was issued."""

    event_type = "credit_note.issued"
    message = "Credit note {number} for {month} was issued: {total}."


@dataclass(frozen=True, kw_only=True)
class DocumentVoided(WebhookEvent):
    """A document that is no longer owed; `cutoffs` are by agency id."""

    id: UUID
    number: str
    total: Decimal
    actor: Internal[str]
    reason: Internal[str]
    cutoffs: Internal[Mapping[str, int]]


class InvoiceVoided(DocumentVoided):
    """An invoice was voided."""

    event_type = "invoice.voided"
    message = "Invoice {number} for {total} was voided: {reason}"


class CreditNoteVoided(DocumentVoided):
    """A credit note was voided."""

    event_type = "credit_note.voided"
    message = "Credit note {number} for {total} was voided: {reason}"


@dataclass(frozen=True, kw_only=True)
class RunFinished(WebhookEvent):
    """A billing run finished; the month is billed for all its payers."""

    event_type = "run.finished"
    message = "The billing run for {month} finished."

    id: UUID
    month: Month


@dataclass(frozen=True, kw_only=True)
class BooksDiffer(WebhookEvent):
    """A verification found differences; documents they affect are not charged.

    `findings` counts new ones, with their `agencies`; `open` all that hold documents.
    """

    event_type = "books.differ"
    message = "A verification found {findings} new differences; {open} are open."

    findings: int
    open: int
    agencies: list[str]
    run: Internal[UUID | None]
    codes: Internal[Sequence[str]]
    ids: Internal[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class BooksAgree(WebhookEvent):
    """No difference found by verification is open any more.

    `resolved` counts the findings that the last pass no longer found.
    """

    event_type = "books.agree"
    message = "All differences are resolved, {resolved} of them by the last pass."

    resolved: int
    run: Internal[UUID | None]
