"""Every document against the facts at its own cut-off, and the chain it is in."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal

from billing.accounts.models import Account, Watermark
from billing.invoicing.canonical import chain_hash
from billing.invoicing.content import Line, content_of
from billing.invoicing.models import Document, Void
from billing.invoicing.queries.documents import header_of, issue_of, lines_of
from billing.invoicing.verification.facts import Books
from billing.invoicing.verification.findings import Finding
from seats.periods import months_between

Status = Document.Status
ZERO = Decimal(0)
Thing = tuple[int, date, str | None]


def check_documents(books: Books) -> Iterator[Finding]:
    """All issued documents, payer by payer, in the order of their numbers."""
    voids: dict[int, dict[int, int]] = {}
    for document_id, agency_id, cutoff in Void.objects.values_list(
        "document", "agency", "cutoff"
    ):
        voids.setdefault(document_id, {})[agency_id] = cutoff
    for account in Account.objects.select_related("payer").order_by("payer_id"):
        documents = list(
            Document.objects.filter(payer=account.payer_id)
            .exclude(status=Status.DRAFT)
            .select_related("price_list")
            .order_by("number")
        )
        lines = lines_of([document.pk for document in documents])
        yield from _check_chain(account, documents, lines)
        yield from _check_amounts(account.payer_id, documents, lines, voids, books)
        for document in documents:
            yield from _check_status(document, lines.get(document.pk, []), voids)


def _check_chain(
    account: Account, documents: list[Document], lines: Mapping[int, list[Line]]
) -> Iterator[Finding]:
    before = ""
    for number, document in enumerate(documents, start=1):
        own = lines.get(document.pk, [])
        if document.number != number:
            yield Finding("number_gap", str(document), f"number {number} is missing")
            return
        content = content_of(header_of(document), own, issue_of(document))
        if document.previous_hash != before:
            yield Finding("chain_broken", str(document), "names another predecessor")
        if document.hash != chain_hash(content):
            yield Finding("hash_differs", str(document), "is not what was issued")
        if document.subtotal != sum((line.amount for line in own), ZERO):
            yield Finding(
                "sum_differs", str(document), "its lines sum to another total"
            )
        before = document.hash
    if account.next_number != len(documents) + 1:
        yield Finding(
            "counter_differs",
            account.payer.code,
            f"next number is {account.next_number}, not {len(documents) + 1}",
        )
    if account.last_hash != before:
        yield Finding("chain_broken", account.payer.code, "the last hash is another")


def _check_status(
    document: Document, lines: list[Line], voids: Mapping[int, Mapping[int, int]]
) -> Iterator[Finding]:
    voided = set(voids.get(document.pk, {}))
    wanted = (
        {line.agency_id for line in lines} if document.status == Status.VOID else set()
    )
    if voided != wanted:
        yield Finding("void_differs", str(document), f"status is {document.status}")


def _check_amounts(
    payer_id: int,
    documents: list[Document],
    lines: Mapping[int, list[Line]],
    voids: Mapping[int, Mapping[int, int]],
    books: Books,
) -> Iterator[Finding]:
    """After each document, and at the watermark: billed = owed, key by key."""
    so_far: list[Document] = []
    for document in documents:
        cutoffs = {int(key): cutoff for key, cutoff in document.cutoffs.items()}
        billed = _billed(so_far, lines, voids, cutoffs)
        for line in lines.get(document.pk, []):
            yield from _check_line(document, line, payer_id, billed, cutoffs, books)
        so_far.append(document)
        billed = _billed(so_far, lines, voids, cutoffs)
        ends = dict.fromkeys(cutoffs, document.month)
        yield from _compare(str(document), payer_id, billed, cutoffs, ends, books)
    marks = list(Watermark.objects.filter(payer=payer_id))
    cutoffs = {mark.agency_id: mark.billed_cutoff for mark in marks}
    ends = {mark.agency_id: mark.billed_through for mark in marks}
    billed = _billed(documents, lines, voids, cutoffs)
    yield from _compare(
        f"watermark of {books.code(payer_id)}", payer_id, billed, cutoffs, ends, books
    )


def _check_line(
    document: Document,
    line: Line,
    payer_id: int,
    billed: Mapping[Thing, Decimal],
    cutoffs: Mapping[int, int],
    books: Books,
) -> Iterator[Finding]:
    key = (line.agency_id, line.month, line.meter)
    owed = books.owed(line.agency_id, line.month, cutoffs.get(line.agency_id, 0))
    now = owed.get((line.meter, payer_id), ZERO)
    before = billed.get(key, ZERO)
    subject = f"{document}, {line.description}"
    if line.amount_now != now:
        yield Finding("line_differs", subject, f"says {line.amount_now}, facts {now}")
    if line.amount_before != before:
        yield Finding(
            "before_differs", subject, f"says {line.amount_before}, billed {before}"
        )


def _billed(
    documents: list[Document],
    lines: Mapping[int, list[Line]],
    voids: Mapping[int, Mapping[int, int]],
    cutoffs: Mapping[int, int],
) -> dict[Thing, Decimal]:
    """The sum of the lines that count at these cut-offs."""
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
    books: Books,
) -> Iterator[Finding]:
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
            known = {key for key in billed if key[:2] == (agency_id, month)}
            for key in sorted(owed.keys() | known, key=str):
                if owed.get(key, ZERO) != billed.get(key, ZERO):
                    yield Finding(
                        "billed_differs",
                        f"{subject}, {books.code(agency_id)} {month:%Y-%m}"
                        f" {key[2] or 'seats'}",
                        f"billed {billed.get(key, ZERO)}, owed {owed.get(key, ZERO)}",
                    )
