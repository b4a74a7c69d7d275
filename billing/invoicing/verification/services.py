"""Verifies the books: every fact and every document, in one snapshot."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain

from django.db import connection, transaction

from billing.invoicing.verification.archives import Archives, inspect_archives
from billing.invoicing.verification.documents import check_documents
from billing.invoicing.verification.facts import RecomputedBooks
from billing.invoicing.verification.findings import Finding, about_agency
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
    SELECT fact.kind, agency.code, agency.id FROM (
        SELECT 'seat version' AS kind, agency_id, cutoff FROM seats_seatversion
        UNION ALL SELECT 'usage day', agency_id, cutoff FROM billing_usageday
        UNION ALL SELECT 'payer shares', agency_id, cutoff FROM billing_payershareset
        UNION ALL SELECT 'void', agency_id, cutoff FROM billing_void
        UNION ALL SELECT 'run', agency_id, cutoff + 1 FROM billing_runcut
        UNION ALL SELECT 'watermark', agency_id, billed_cutoff + 1
            FROM billing_watermark
    ) AS fact
    JOIN seats_agency AS agency ON agency.id = fact.agency_id
    LEFT JOIN seats_cutoffcounter AS counter ON counter.agency_id = fact.agency_id
    WHERE counter.cutoff IS NULL OR fact.cutoff > counter.cutoff
    GROUP BY fact.kind, agency.id ORDER BY 1, 2
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
FAILED = "check_failed"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The findings, and the number of facts since the last bill; None if not counted."""

    findings: list[Finding]
    pending_facts: int | None

    @property
    def is_complete(self) -> bool:
        """Whether every check finished without an error."""
        return all(finding.code != FAILED for finding in self.findings)


def verify_books(also: Sequence[Check] = ()) -> VerificationReport:
    """Check every fact and document in one snapshot. Changes nothing.

    Facts recorded after their agency was last billed are counted as pending and are no
    finding; older facts of months that are not billed yet are not counted. `also` are
    checks of other rooms. A check that stops with an error is reported as a finding,
    and the others go on.
    """
    with snapshot(HOLD_MONTHS), connection.cursor() as cursor:
        checks = chain(
            _checks(), also
        )  # each check is created after the previous one is done
        findings = [finding for check in checks for finding in safely(check)]
        cursor.execute(PENDING)
        return VerificationReport(findings, cursor.fetchone()[0])


@contextmanager
def snapshot(first: str = "") -> Iterator[None]:
    """Read everything as of one moment; in a caller's transaction, as of that one.

    `first` is a statement to run after the snapshot's isolation level is set.
    """
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not nested:
            cursor.execute(SNAPSHOT)
            if first:
                cursor.execute(first)
        yield


def _checks() -> Iterator[Check]:
    """The checks in order; later ones use what earlier ones have read."""
    archives = Archives([], [], [])

    def check_archives() -> Iterator[Finding]:
        nonlocal archives
        archives = inspect_archives()
        yield from archives.findings

    yield check_archives
    books = RecomputedBooks(archives.readable)
    yield from (_check_stamps, check_agencies, check_seats, check_shares, check_prices)
    yield partial(check_usage, books, archives)
    yield partial(check_documents, books)
    yield check_outbox


def safely(check: Check) -> Iterator[Finding]:
    """The findings of a check; an error that stops it becomes a finding."""
    try:
        with transaction.atomic():
            yield from check()
    except Exception as error:
        name = getattr(check, "func", check).__name__
        logger.exception("The verification check %s stopped with an error.", name)
        yield Finding(FAILED, name, f"stopped with {type(error).__name__}: {error}")


def _check_stamps() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute(FUTURE_STAMPS)
        for kind, code, agency_id in cursor.fetchall():
            message = f"the cut-off of a {kind} is ahead of the agency's counter"
            yield Finding("stamp_ahead", code, message, about_agency(agency_id))
