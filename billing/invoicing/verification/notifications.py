"""Mails and events about new findings, their resolution, and failed passes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from billing.invoicing.domain.webhook_events import BooksAgree, BooksDiffer
from billing.invoicing.models.documents import Document
from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.invoicing.queries.holds import invoices_on_hold
from billing.mail.services.outbox import queue_staff_mail
from billing.webhooks.services.outbox import PLATFORM, publish

LISTED = 20  # findings and invoices by name in a mail
NAMED = 50  # agencies and findings in an event
SUBJECT = "books"


def notify_changes(
    opened: Sequence[VerificationFinding],
    resolved: Sequence[VerificationFinding],
    *,
    run: VerificationRun | None,
    now: datetime,
) -> None:
    """Send one event and mail for all new findings; one event once none is left open.

    Must be called in the transaction that stores the findings.
    """
    still_open = VerificationFinding.objects.filter(resolved_at=None, accepted_at=None)
    if opened:
        agencies = sorted({row.agency.code for row in opened if row.agency})
        differ = BooksDiffer(
            agency_id=PLATFORM,
            subject=SUBJECT,
            findings=len(opened),
            open=still_open.count(),
            agencies=agencies[:NAMED],
            run=run.public_id if run else None,
            codes=sorted({row.code for row in opened}),
            ids=[str(row.public_id) for row in opened[:NAMED]],
        )
        publish(differ, now=now)
        queue_staff_mail(
            template="books_differ",
            context=_context(opened),
            subject_key=f"finding:{opened[0].pk}",
            now=now,
        )
    elif resolved and not still_open.exists():
        agree = BooksAgree(
            agency_id=PLATFORM,
            subject=SUBJECT,
            resolved=len(resolved),
            run=run.public_id if run else None,
        )
        publish(agree, now=now)


def notify_failure(run: VerificationRun, *, now: datetime) -> None:
    """Send one mail per day and kind of pass while passes fail.

    Must be called in the transaction that stores the failure.
    """
    queue_staff_mail(
        template="verification_failed",
        context={"run": run},
        subject_key=f"verification:{run.kind}:{now:%Y-%m-%d}",
        now=now,
    )


def _context(opened: Sequence[VerificationFinding]) -> dict[str, Any]:
    held = invoices_on_hold()
    return {
        "count": len(opened),
        "findings": opened[:LISTED],
        "more": max(len(opened) - LISTED, 0),
        "held": len(held),
        "invoices": Document.objects.filter(pk__in=held[:LISTED]).order_by("pk"),
        "more_invoices": max(len(held) - LISTED, 0),
    }
