"""Verification of payments: the ledger, allocations, and published events.

The expected ledger entries are computed fact by fact in Python, and share no statement
with the posting.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.db.models import Q

from billing.collection.models.disputes import Dispute
from billing.invoicing.models.documents import Document, DocumentLine, Void
from billing.invoicing.verification.billing_runs import check_billing_runs
from billing.invoicing.verification.findings import (
    Finding,
    about_document,
    about_payer,
)
from billing.invoicing.verification.services import (
    Check,
    VerificationReport,
    verify_books,
)
from billing.ledger.models import LedgerEntry
from billing.receivables.models import Allocation, Payment, Refund
from billing.receivables.queries.receivables import check_attempts, check_receivables
from billing.webhooks.models import OutboxEvent
from core.money import plain

ZERO = Decimal(0)
PUBLISHED = [
    "payment.received", "payment.refunded", "payment.reversed", "dispute.opened",
    "dispute.won", "dispute.lost",
]  # fmt: skip
# The account that is debited, and the one that is credited.
DISPUTED = {
    "opened": ("disputed", "cash"),
    "won": ("cash", "disputed"),
    "lost": ("customer_credit", "disputed"),
}
Fact = tuple[str, int]
# (payer id, currency, account, processor) -> amount
Entries = dict[tuple[int, str, str, str], Decimal]


def verify_everything(*, now: datetime | None = None) -> VerificationReport:
    """Check every fact, document, payment and ledger entry; changes nothing.

    With `now`, it also checks what should have happened by then: that months that are
    over are billed, and that runs have ended.
    """
    checks: list[Check] = [
        check_ledger,
        check_receivables,
        check_attempts,
        check_allocations,
        check_payment_use,
        check_published_events,
    ]
    if now:
        checks.append(partial(check_billing_runs, now=now))
    return verify_books(also=checks)


def check_ledger() -> Iterator[Finding]:
    """Check that each fact is posted once with its amounts, and nothing else is posted."""
    required = dict(_expected_entries())
    posted: dict[Fact, Entries] = {}
    for entry in LedgerEntry.objects.select_related("transaction").iterator():
        posting = entry.transaction
        entries = posted.setdefault((posting.kind, posting.fact_id), {})
        key = (posting.payer_id, posting.currency, entry.account, entry.processor)
        entries[key] = entries.get(key, ZERO) + entry.amount
    for fact in sorted(required.keys() | posted.keys()):
        expected = {k: v for k, v in required.get(fact, {}).items() if v}
        actual = posted.get(fact, {})
        subject = f"{fact[0]} {fact[1]}"
        payers = {key[0] for key in (*expected, *actual)}
        if total := sum(actual.values(), ZERO):
            message = f"the entries sum to {plain(total)} instead of 0"
            for payer_id in sorted(payers):
                about = about_payer(payer_id)
                yield Finding("ledger_unbalanced", subject, message, about)
        if expected != actual:
            message = (
                f"the ledger has {_entries_text(actual)}, but the facts require"
                f" {_entries_text(expected)}"
            )
            for payer_id in sorted(payers):
                about = about_payer(payer_id)
                yield Finding("ledger_differs", subject, message, about)


def check_allocations(among: Collection[int] | None = None) -> Iterator[Finding]:
    """Check that no document is over-allocated and that its state fits its allocations.

    All issued documents are checked, or only those among these ids.
    """
    allocations, documents = Allocation.objects.all(), Document.objects.all()
    if among is not None:
        allocations = allocations.filter(
            Q(document__in=among) | Q(credit_note__in=among)
        )
        documents = documents.filter(pk__in=among)
    rows = list(allocations)
    covered = _sums((row.document_id, row.amount) for row in rows)
    given = _sums((row.credit_note_id, row.amount) for row in rows)
    for document in documents.exclude(state="draft").iterator():
        sums = given if document.kind == Document.Kind.CORRECTION else covered
        yield from _check_document(document, sums.get(document.pk, ZERO))


def check_payment_use() -> Iterator[Finding]:
    """Check that no payment covers or returns more than was captured."""
    allocations, refunds = Allocation.objects.all(), Refund.objects.all()
    disputes = list(Dispute.objects.filter(state__in=["open", "lost"]))
    used = _sums((row.payment_id, row.amount) for row in allocations.iterator())
    back = _sums((row.payment_id, row.amount) for row in refunds.iterator())
    lost = _sums((d.payment_id, d.amount) for d in disputes if d.state == "lost")
    held = _sums((d.payment_id, d.amount) for d in disputes if d.state == "open")
    for payment in Payment.objects.iterator():
        covers, withheld = (sums.get(payment.pk, ZERO) for sums in (used, held))
        returned = back.get(payment.pk, ZERO) + lost.get(payment.pk, ZERO)
        captured = ZERO if payment.reversed_at else payment.amount
        if covers < 0 or returned + max(covers, withheld) > captured:
            message = (
                f"{plain(covers)} is allocated, {plain(returned)} returned and"
                f" {plain(withheld)} withheld, of {plain(captured)} {payment.currency}"
            )
            about = about_payer(payment.payer_id)
            yield Finding("overspent", str(payment), message, about)


def _sums(parts: Iterable[tuple[int | None, Decimal]]) -> dict[int | None, Decimal]:
    sums: dict[int | None, Decimal] = {}
    for key, amount in parts:
        sums[key] = sums.get(key, ZERO) + amount
    return sums


def _check_document(document: Document, covered: Decimal) -> Iterator[Finding]:
    total, state = abs(document.total), document.state
    differs = {
        "overcovered": not 0 <= covered <= total,
        "paid_without_payment": state == Document.State.PAID and covered != total,
        "paid_but_open": state == Document.State.OPEN and covered == total,
        "void_with_money": state == Document.State.VOID and bool(covered),
    }
    message = (
        f"state is {state}, and {plain(covered)} of {plain(total)}"
        f" {document.currency} is allocated"
    )
    about = about_document(document.pk, document.payer_id)
    for code in (name for name, is_other in differs.items() if is_other):
        yield Finding(code, str(document), message, about)


def check_published_events() -> Iterator[Finding]:
    """Check that payments, refunds and disputes match their published events."""
    facts = {
        ("payment.received", str(row.public_id)): _payment_facts(row)
        for row in Payment.objects.iterator()
    } | {
        ("payment.refunded", str(row.public_id)): _refund_facts(row)
        for row in Refund.objects.select_related("payment").iterator()
    }
    for row in Payment.objects.exclude(reversed_at=None):
        facts[("payment.reversed", str(row.public_id))] = _reversal_facts(row)
    for dispute in Dispute.objects.select_related("payment").iterator():
        for change, at in _dispute_changes(dispute).items():
            key = (f"dispute.{change}", str(dispute.public_id))
            facts[key] = _dispute_facts(dispute, at)
    for event in OutboxEvent.objects.filter(type__in=PUBLISHED).select_related(
        "stream"
    ):
        announced = {**event.payload, "payer": event.stream.agency_id}
        fact = facts.pop((event.type, announced["id"]), None)
        about = about_payer(event.stream.agency_id)
        if fact is None:
            subject = f"{event.type} {announced['id']}"
            message = "an event was published, but the row does not exist"
            yield Finding("fact_missing", subject, message, about)
        elif fact != announced:
            message = "the row differs from its published event"
            yield Finding("announced_otherwise", event.subject, message, about)
    for (kind, public_id), fact in facts.items():
        message, about = "no event was published", about_payer(fact["payer"])
        yield Finding("not_announced", f"{kind} {public_id}", message, about)


def _payment_facts(payment: Payment) -> dict[str, Any]:
    return {
        "id": str(payment.public_id),
        "payer": payment.payer_id,
        "amount": plain(payment.amount),
        "currency": payment.currency,
        "processor": payment.processor,
        "reference": payment.reference,
        "method": payment.method,
        "actor": payment.actor,
        "received_at": payment.received_at.isoformat(),
    }


def _reversal_facts(payment: Payment) -> dict[str, Any]:
    assert payment.reversed_at
    return {
        "id": str(payment.public_id),
        "payer": payment.payer_id,
        "amount": plain(payment.amount),
        "currency": payment.currency,
        "processor": payment.processor,
        "reference": payment.reference,
        "reason": payment.reversal_reason,
        "actor": payment.reversed_by,
        "reversed_at": payment.reversed_at.isoformat(),
    }


def _refund_facts(refund: Refund) -> dict[str, Any]:
    return {
        "id": str(refund.public_id),
        "payer": refund.payment.payer_id,
        "payment": str(refund.payment.public_id),
        "amount": plain(refund.amount),
        "currency": refund.payment.currency,
        "reference": refund.reference,
        "reason": refund.reason,
        "actor": refund.actor,
        "refunded_at": refund.refunded_at.isoformat(),
    }


def _dispute_facts(dispute: Dispute, at: datetime) -> dict[str, Any]:
    return {
        "id": str(dispute.public_id),
        "payer": dispute.payment.payer_id,
        "payment": str(dispute.payment.public_id),
        "amount": plain(dispute.amount),
        "currency": dispute.currency,
        "processor": dispute.payment.processor,
        "reference": dispute.reference,
        "at": at.isoformat(),
    }


def _dispute_changes(dispute: Dispute) -> dict[str, datetime]:
    """The changes of a dispute's money and when they happened; none for an inquiry."""
    if not dispute.opened_at:
        return {}
    changes = {"opened": dispute.opened_at}
    if dispute.closed_at:
        changes[dispute.state] = dispute.closed_at
    return changes


def _expected_entries() -> Iterator[tuple[Fact, Entries]]:
    """The ledger entries that each fact must have."""
    revenue: dict[int, dict[str, Decimal]] = {}
    for line in DocumentLine.objects.iterator():
        kinds = revenue.setdefault(line.document_id, {})
        kinds[line.kind] = kinds.get(line.kind, ZERO) + line.amount
    voided = set(Void.objects.values_list("document", flat=True))
    for document in Document.objects.exclude(state="draft").iterator():
        kinds = revenue.get(document.pk, {})
        amounts = {
            ("receivable", ""): document.total,
            ("revenue_seats", ""): -kinds.get("seat", ZERO),
            ("revenue_usage", ""): -kinds.get("usage", ZERO),
            ("tax_payable", ""): -document.tax,
        }
        who = (document.payer_id, document.currency)
        yield ("issued", document.pk), {(*who, *k): v for k, v in amounts.items()}
        if document.pk in voided:
            yield ("voided", document.pk), {(*who, *k): -v for k, v in amounts.items()}
    yield from _expected_of_payments()


def _expected_of_payments() -> Iterator[tuple[Fact, Entries]]:
    for payment in Payment.objects.iterator():
        yield (
            ("payment", payment.pk),
            _entry_pair(payment, payment.amount, "cash", "customer_credit"),
        )
        if payment.reversed_at:
            entries = _entry_pair(payment, payment.amount, "customer_credit", "cash")
            yield ("reversal", payment.pk), entries
    for row in Allocation.objects.exclude(payment=None).select_related("payment"):
        assert row.payment
        entries = _entry_pair(row.payment, row.amount, "customer_credit", "receivable")
        yield ("allocation", row.pk), entries
    for refund in Refund.objects.select_related("payment"):
        amount = refund.amount
        entries = _entry_pair(refund.payment, amount, "customer_credit", "cash")
        yield ("refund", refund.pk), entries
    for dispute in Dispute.objects.select_related("payment"):
        for change in _dispute_changes(dispute):
            sides = DISPUTED[change]
            entries = _entry_pair(dispute.payment, dispute.amount, *sides)
            yield (f"dispute_{change}", dispute.pk), entries


def _entry_pair(payment: Payment, amount: Decimal, debit: str, credit: str) -> Entries:
    def key(account: str) -> tuple[int, str, str, str]:
        processor = payment.processor if account == "cash" else ""
        return payment.payer_id, payment.currency, account, processor

    return {key(debit): amount, key(credit): -amount}


def _entries_text(entries: Entries) -> str:
    parts = (
        f"{'/'.join(filter(None, key[2:]))} {plain(amount)}"
        for key, amount in sorted(entries.items())
    )
    return ", ".join(parts) or "nothing"
