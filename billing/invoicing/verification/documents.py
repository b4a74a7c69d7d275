"""Checks every document against the facts at its cut-off, and each payer's chain."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from django.db.models import Q

from billing.accounts.models import BillingAccount, Watermark
from billing.invoicing.domain.content import Line
from billing.invoicing.models.documents import Document, Void
from billing.invoicing.queries.documents import lines_of
from billing.invoicing.verification.contents import (
    check_content,
    check_counters,
    links_of,
)
from billing.invoicing.verification.facts import RecomputedBooks
from billing.invoicing.verification.findings import (
    Finding,
    about_document,
    about_payer,
)
from core.periods import months_between

State = Document.State
ZERO = Decimal(0)
Thing = tuple[int, date, str | None]


def check_documents(books: RecomputedBooks) -> Iterator[Finding]:
    """Check all issued documents, payer by payer, in the order of their numbers."""
    yield from check_counters()
    voids: dict[int, dict[int, int]] = {}
    for document_id, agency_id, cutoff in Void.objects.values_list(
        "document", "agency", "cutoff"
    ):
        voids.setdefault(document_id, {})[agency_id] = cutoff
    for account in BillingAccount.objects.order_by("payer_id"):
        documents = list(
            Document.objects.filter(payer=account.payer_id)
            .exclude(state=State.DRAFT)
            .select_related("price_list")
            .order_by("number")
        )
        lines = lines_of([document.pk for document in documents])
        yield from _check_chain(documents, lines)
        yield from _check_amounts(account.payer_id, documents, lines, voids, books)
        for document in documents:
            yield from _check_state(document, lines.get(document.pk, []), voids)


def _check_chain(
    documents: list[Document], lines: Mapping[int, list[Line]]
) -> Iterator[Finding]:
    links = links_of([document.pk for document in documents])
    expected = 1
    for document in documents:
        if document.number != expected:
            about = about_payer(document.payer_id)
            message = f"the document number {expected} is missing before this one"
            yield Finding("number_gap", str(document), message, about)
        expected = (document.number or 0) + 1
        own = lines.get(document.pk, [])
        yield from check_content(document, own, links[document.pk])


def check_states(document_ids: Collection[int]) -> Iterator[Finding]:
    """Check that exactly the void documents among these have records of voids."""
    voids: dict[int, dict[int, int]] = {}
    for document_id, agency_id, cutoff in Void.objects.filter(
        document__in=document_ids
    ).values_list("document", "agency", "cutoff"):
        voids.setdefault(document_id, {})[agency_id] = cutoff
    rows = Document.objects.filter(
        Q(pk__in=voids) | Q(pk__in=document_ids, state=State.VOID)
    )
    lines = lines_of([document.pk for document in rows])
    for document in rows:
        yield from _check_state(document, lines.get(document.pk, []), voids)


def _check_state(
    document: Document, lines: list[Line], voids: Mapping[int, Mapping[int, int]]
) -> Iterator[Finding]:
    voided = set(voids.get(document.pk, {}))
    expected = (
        {line.agency_id for line in lines} if document.state == State.VOID else set()
    )
    if voided != expected:
        about = about_document(document.pk, document.payer_id)
        message = (
            f"the state is {document.state}, but voids are recorded for"
            f" {len(voided)} agencies instead of {len(expected)}"
        )
        yield Finding("void_differs", str(document), message, about)


def _check_amounts(
    payer_id: int,
    documents: list[Document],
    lines: Mapping[int, list[Line]],
    voids: Mapping[int, Mapping[int, int]],
    books: RecomputedBooks,
) -> Iterator[Finding]:
    """Check that billed equals owed after each document and at the watermark."""
    so_far: list[Document] = []
    for document in documents:
        cutoffs = _cutoffs_of(document)
        billed = _billed(so_far, lines, voids, cutoffs)
        for line in lines.get(document.pk, []):
            yield from _check_line(document, line, payer_id, billed, cutoffs, books)
        so_far.append(document)
        billed = _billed(so_far, lines, voids, cutoffs)
        ends = dict.fromkeys(cutoffs, document.month)
        for agency_id, finding in _compare(
            str(document), payer_id, billed, cutoffs, ends, books
        ):
            yield replace(finding, about=about_document(document.pk, agency_id))
    marks = list(Watermark.objects.filter(payer=payer_id))
    cutoffs = {mark.agency_id: mark.billed_cutoff for mark in marks}
    ends = {mark.agency_id: mark.billed_through for mark in marks}
    billed = _billed(documents, lines, voids, cutoffs)
    subject = f"watermark of {books.code(payer_id)}"
    for _, finding in _compare(subject, payer_id, billed, cutoffs, ends, books):
        yield replace(finding, about=about_payer(payer_id))


def _cutoffs_of(document: Document) -> dict[int, int]:
    """By agency id; empty if they were altered, which the hash check reports."""
    try:
        return {int(key): int(cutoff) for key, cutoff in document.cutoffs.items()}
    except (AttributeError, TypeError, ValueError):
        return {}


def _check_line(
    document: Document,
    line: Line,
    payer_id: int,
    billed: Mapping[Thing, Decimal],
    cutoffs: Mapping[int, int],
    books: RecomputedBooks,
) -> Iterator[Finding]:
    key = (line.agency_id, line.month, line.meter)
    owed = books.owed(line.agency_id, line.month, cutoffs.get(line.agency_id, 0))
    now = owed.get((line.meter, payer_id), ZERO)
    before = billed.get(key, ZERO)
    subject = f"{document}, {line.description}"
    about = about_document(document.pk, line.agency_id)
    if line.amount_now != now:
        message = f"amount_now is {line.amount_now}, but the facts give {now}"
        yield Finding("line_differs", subject, message, about)
    if line.amount_before != before:
        message = (
            f"amount_before is {line.amount_before}, but {before} was billed before"
        )
        yield Finding("before_differs", subject, message, about)


def _billed(
    documents: list[Document],
    lines: Mapping[int, list[Line]],
    voids: Mapping[int, Mapping[int, int]],
    cutoffs: Mapping[int, int],
) -> dict[Thing, Decimal]:
    """The sums of the lines that count at these cut-offs."""
    billed: dict[Thing, Decimal] = {}
    for document in documents:
        for line in lines.get(document.pk, []):
            voided_at = voids.get(document.pk, {}).get(line.agency_id)
            if voided_at is not None and voided_at <= cutoffs.get(line.agency_id, 0):
                continue
            key = (line.agency_id, line.month, line.meter)
            billed[key] = billed.get(key, ZERO) + line.amount
    return billed


def _compare(
    subject: str,
    payer_id: int,
    billed: Mapping[Thing, Decimal],
    cutoffs: Mapping[int, int],
    ends: Mapping[int, date],
    books: RecomputedBooks,
) -> Iterator[tuple[int, Finding]]:
    """Differences between billed and owed amounts, with the agency id of each."""
    for agency_id, cutoff in cutoffs.items():
        first = books.first_month(agency_id)
        if first is None:
            continue
        for month in months_between(first, ends[agency_id]):
            owed = {
                (agency_id, month, meter): amount
                for (meter, payer), amount in books.owed(
                    agency_id, month, cutoff
                ).items()
                if payer == payer_id
            }
            billed_keys = {key for key in billed if key[:2] == (agency_id, month)}
            for key in sorted(owed.keys() | billed_keys, key=str):
                if owed.get(key, ZERO) != billed.get(key, ZERO):
                    where = f"{books.code(agency_id)} {month:%Y-%m}"
                    message = (
                        f"{billed.get(key, ZERO)} is billed, but"
                        f" {owed.get(key, ZERO)} is owed"
                    )
                    yield (
                        agency_id,
                        Finding(
                            "billed_differs",
                            f"{subject}, {where} {key[2] or 'seats'}",
                            message,
                        ),
                    )
