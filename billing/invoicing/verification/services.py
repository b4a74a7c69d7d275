"""Checking the books, and saying what is pending."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from django.db import connection, transaction

from billing.invoicing.verification.archives import look_at_archives
from billing.invoicing.verification.documents import check_documents
from billing.invoicing.verification.facts import Books
from billing.invoicing.verification.findings import Finding
from billing.invoicing.verification.records import (
    check_agencies,
    check_outbox,
    check_prices,
    check_seats,
    check_shares,
)
from billing.invoicing.verification.usage import check_usage

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
# Before the snapshot is taken, so that no month leaves after it.
HOLD_MONTHS = "LOCK TABLE billing_usageevent IN ACCESS SHARE MODE"
FUTURE_STAMPS = """
    SELECT fact.kind, agency.code FROM (
        SELECT 'seat version' AS kind, agency_id, cutoff FROM seats_seatversion
        UNION ALL SELECT 'usage day', agency_id, cutoff FROM billing_usageday
        UNION ALL SELECT 'payer shares', agency_id, cutoff FROM billing_payershareset
        UNION ALL SELECT 'void', agency_id, cutoff FROM billing_void
        UNION ALL SELECT 'run', agency_id, cutoff + 1 FROM billing_runcut
        UNION ALL SELECT 'watermark', agency_id, billed_cutoff + 1
            FROM billing_watermark
    ) AS fact
    JOIN seats_agency AS agency ON agency.id = fact.agency_id
    LEFT JOIN seats_books AS books ON books.agency_id = fact.agency_id
    WHERE books.cutoff IS NULL OR fact.cutoff > books.cutoff
    GROUP BY fact.kind, agency.code ORDER BY 1, 2
"""
PENDING = """
    SELECT count(*) FROM (
        SELECT agency_id, cutoff FROM seats_seatversion
        UNION ALL SELECT agency_id, cutoff FROM billing_usageday
        UNION ALL SELECT agency_id, cutoff FROM billing_void
    ) AS fact
    WHERE cutoff > coalesce((
        SELECT max(billed_cutoff) FROM billing_watermark AS mark
        WHERE mark.agency_id = fact.agency_id), 0)
"""

Check = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and how many facts wait for their next document."""

    findings: list[Finding]
    pending_facts: int


def verify_books(also: Sequence[Check] = ()) -> Report:
    """Check every fact and document, in one snapshot; changes nothing.

    Facts that are not billed yet are pending, and no error. `also` are checks of the
    rooms above.
    """
    nested = connection.in_atomic_block  # then the caller's snapshot is the one
    with transaction.atomic(), connection.cursor() as cursor:
        if not nested:
            cursor.execute(SNAPSHOT)
            cursor.execute(HOLD_MONTHS)
        findings = [*_findings(), *(found for check in also for found in check())]
        cursor.execute(PENDING)
        return Report(findings, cursor.fetchone()[0])


def _findings() -> Iterator[Finding]:
    archives = look_at_archives()
    books = Books(archives.readable)
    yield from archives.findings
    yield from _check_stamps()
    yield from check_agencies()
    yield from check_seats()
    yield from check_shares()
    yield from check_prices()
    yield from check_usage(books, archives)
    yield from check_documents(books)
    yield from check_outbox()


def _check_stamps() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(FUTURE_STAMPS)
        for kind, code in cursor.fetchall():
            yield Finding("stamp_ahead", code, f"a {kind} is ahead of the books")
