"""The books checker's part for money: the ledger and the documents' status.

It computes fact by fact in Python what the ledger must say, and shares no statement
with the posting.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.db.models import Q

from billing.invoicing.models import Document, DocumentLine, Void
from billing.invoicing.verification.findings import (
    Finding,
    about_document,
    about_payer,
)
from billing.invoicing.verification.runs import check_runs
from billing.invoicing.verification.services import (
    Check,
    VerificationReport,
    verify_books,
)
from billing.money import plain
from billing.payments.ledger import LedgerEntry
from billing.payments.models import Allocation, Payment, Refund
from billing.payments.queries.receivables import check_attempts, check_receivables
from billing.payments.returns import Dispute
from billing.webhooks.models import OutboxEvent

ZERO = Decimal(0)
ANNOUNCED = [
    "payment.received", "payment.refunded", "payment.reversed", "dispute.opened",
    "dispute.won", "dispute.lost",
]  # fmt: skip
# What is debited, and what is credited.
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

    With `now` also what should have happened by then: months that are over are billed,
    runs have ended.
    """
    checks: list[Check] = [
        check_ledger,
        check_receivables,
        check_attempts,
        check_covering,
        check_spending,
        check_announced,
    ]
    if now:
        checks.append(partial(check_runs, now=now))
    return verify_books(also=checks)


def check_ledger() -> Iterator[Finding]:
    """Each fact is posted once, as what it is; nothing else is posted."""
    owed = dict(_owed_entries())
    posted: dict[Fact, Entries] = {}
    for entry in LedgerEntry.objects.select_related("transaction").iterator():
        of = entry.transaction
        entries = posted.setdefault((of.kind, of.fact_id), {})
        key = (of.payer_id, of.currency, entry.account, entry.processor)
        entries[key] = entries.get(key, ZERO) + entry.amount
    for fact in sorted(owed.keys() | posted.keys()):
        expected = {k: v for k, v in owed.get(fact, {}).items() if v}
        actual = posted.get(fact, {})
        subject = f"{fact[0]} {fact[1]}"
        payers = {key[0] for key in (*expected, *actual)}
        if total := sum(actual.values(), ZERO):
            message = f"does not sum to zero, but to {plain(total)}"
            for payer_id in sorted(payers):
                about = about_payer(payer_id)
                yield Finding("ledger_unbalanced", subject, message, about)
        if expected != actual:
            message = f"says {_said(actual)}, facts {_said(expected)}"
            for payer_id in sorted(payers):
                about = about_payer(payer_id)
                yield Finding("ledger_differs", subject, message, about)


def check_covering(among: Collection[int] | None = None) -> Iterator[Finding]:
    """No invoice takes and no note gives too much; the status says what is covered.

    Of all issued documents, or only of those among these ids.
    """
    allocations, documents = Allocation.objects.all(), Document.objects.all()
    if among is not None:
        concerned = Q(document__in=among) | Q(credit_note__in=among)
        allocations = allocations.filter(concerned)
        documents = documents.filter(pk__in=among)
    parts = list(allocations)
    covered = _sums((one.document_id, one.amount) for one in parts)
    given = _sums((one.credit_note_id, one.amount) for one in parts)
    for document in documents.exclude(status="draft").iterator():
        sums = given if document.kind == Document.Kind.CORRECTION else covered
        yield from _check_document(document, sums.get(document.pk, ZERO))


def check_spending() -> Iterator[Finding]:
    """No payment gives more than was captured and did not go back."""
    parts, refunds = Allocation.objects.all(), Refund.objects.all()
    disputes = list(Dispute.objects.filter(state__in=["open", "lost"]))
    used = _sums((one.payment_id, one.amount) for one in parts.iterator())
    back = _sums((one.payment_id, one.amount) for one in refunds.iterator())
    lost = _sums((d.payment_id, d.amount) for d in disputes if d.state == "lost")
    held = _sums((d.payment_id, d.amount) for d in disputes if d.state == "open")
    for payment in Payment.objects.iterator():
        covers, withheld = (sums.get(payment.pk, ZERO) for sums in (used, held))
        gone = back.get(payment.pk, ZERO) + lost.get(payment.pk, ZERO)
        captured = ZERO if payment.reversed_at else payment.amount
        if covers < 0 or gone + max(covers, withheld) > captured:
            message = f"covers {covers}, of more than all"
            about = about_payer(payment.payer_id)
            yield Finding("overspent", str(payment), message, about)


def _sums(parts: Iterable[tuple[int | None, Decimal]]) -> dict[int | None, Decimal]:
    sums: dict[int | None, Decimal] = {}
    for of, amount in parts:
        sums[of] = sums.get(of, ZERO) + amount
    return sums


def _check_document(document: Document, covered: Decimal) -> Iterator[Finding]:
    total, status = abs(document.total), document.status
    differs = {
        "overcovered": not 0 <= covered <= total,
        "paid_without_payment": status == Document.Status.PAID and covered != total,
        "paid_but_open": status == Document.Status.OPEN and covered == total,
        "void_with_money": status == Document.Status.VOID and bool(covered),
    }
    message = f"{covered} of {total} are covered"
    about = about_document(document.pk, document.payer_id)
    for code in (name for name, is_other in differs.items() if is_other):
        yield Finding(code, str(document), message, about)


def check_announced() -> Iterator[Finding]:
    """Payments, refunds and disputes are what their events say; none is missing."""
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
        for what, at in _happened(dispute).items():
            key = (f"dispute.{what}", str(dispute.public_id))
            facts[key] = _dispute_facts(dispute, at)
    for event in OutboxEvent.objects.filter(type__in=ANNOUNCED).select_related(
        "stream"
    ):
        announced = {**event.payload, "payer": event.stream.agency_id}
        fact = facts.pop((event.type, announced["id"]), None)
        about = about_payer(event.stream.agency_id)
        if fact is None:
            subject = f"{event.type} {announced['id']}"
            yield Finding("fact_missing", subject, "was announced", about)
        elif fact != announced:
            message = "its event differs"
            yield Finding("announced_otherwise", event.subject, message, about)
    for (kind, public_id), fact in facts.items():
        message, about = "no event tells of it", about_payer(fact["payer"])
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


def _happened(dispute: Dispute) -> dict[str, datetime]:
    """What became of the money of a dispute, and when; of an inquiry nothing."""
    if not dispute.opened_at:
        return {}
    happened = {"opened": dispute.opened_at}
    if dispute.closed_at:
        happened[dispute.state] = dispute.closed_at
    return happened


def _owed_entries() -> Iterator[tuple[Fact, Entries]]:
    """What the ledger must say of each fact."""
    revenue: dict[int, dict[str, Decimal]] = {}
    for line in DocumentLine.objects.iterator():
        kinds = revenue.setdefault(line.document_id, {})
        kinds[line.kind] = kinds.get(line.kind, ZERO) + line.amount
    voided = set(Void.objects.values_list("document", flat=True))
    for document in Document.objects.exclude(status="draft").iterator():
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
    yield from _owed_by_money()


def _owed_by_money() -> Iterator[tuple[Fact, Entries]]:
    for payment in Payment.objects.iterator():
        yield (
            ("payment", payment.pk),
            _two(payment, payment.amount, "cash", "customer_credit"),
        )
        if payment.reversed_at:
            entries = _two(payment, payment.amount, "customer_credit", "cash")
            yield ("reversal", payment.pk), entries
    for part in Allocation.objects.exclude(payment=None).select_related("payment"):
        assert part.payment
        entries = _two(part.payment, part.amount, "customer_credit", "receivable")
        yield ("allocation", part.pk), entries
    for refund in Refund.objects.select_related("payment"):
        of = refund.payment
        yield ("refund", refund.pk), _two(of, refund.amount, "customer_credit", "cash")
    for dispute in Dispute.objects.select_related("payment"):
        for what in _happened(dispute):
            sides = DISPUTED[what]
            entries = _two(dispute.payment, dispute.amount, *sides)
            yield (f"dispute_{what}", dispute.pk), entries


def _two(payment: Payment, amount: Decimal, debit: str, credit: str) -> Entries:
    def key(account: str) -> tuple[int, str, str, str]:
        processor = payment.processor if account == "cash" else ""
        return payment.payer_id, payment.currency, account, processor

    return {key(debit): amount, key(credit): -amount}


def _said(entries: Entries) -> str:
    parts = (
        f"{'/'.join(filter(None, key[2:]))} {plain(amount)}"
        for key, amount in sorted(entries.items())
    )
    return ", ".join(parts) or "nothing"
