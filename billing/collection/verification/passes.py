"""Verification passes over the books, by schedule or on request, and what each checks."""

import logging
from functools import partial

from billing.collection.verification.money import check_allocations, verify_everything
from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.invoicing.verification.incremental import (
    check_recent_changes,
    covers,
    documents_to_check,
)
from billing.invoicing.verification.passes import (
    SCHEDULE,
    Check,
    Clock,
    claim_pass,
    make_pass,
)
from billing.invoicing.verification.recording import Covers
from billing.invoicing.verification.services import VerificationReport, safely, snapshot
from billing.receivables.models import Allocation
from core.errors import Refusal

Kind = VerificationRun.Kind
logger = logging.getLogger(__name__)


class VerificationRunning(Refusal):
    """A full verification is already running.

    Try again when it has finished.
    """

    code = "verification_running"


def verify_due(*, clock: Clock) -> int:
    """Make the passes that are due, the short one first; return how many.

    Safe to run twice, and concurrently: each pass is one row, and one of a kind runs at
    a time. A failed pass is logged and staff is notified; the other kind still runs.
    """
    count = 0
    for kind, check in CHECKS.items():
        run = claim_pass(kind=kind, actor=SCHEDULE, now=clock())
        count += run is not None
        try:
            if run:
                make_pass(run, check=check, clock=clock)
        except Exception:
            logger.exception("The %s verification failed.", kind)
    return count


def verify_now(*, actor: str, clock: Clock) -> VerificationReport:
    """Make a full pass now and record it. Raises VerificationRunning."""
    run = claim_pass(kind=Kind.FULL, actor=actor, now=clock(), is_requested=True)
    if run is None:
        raise VerificationRunning(
            "A full verification is already running. Try again when it has finished."
        )
    return make_pass(run, check=CHECKS[Kind.FULL], clock=clock)


def _check_recent_changes(run: VerificationRun) -> tuple[VerificationReport, Covers]:
    """Check chargeable documents, and those that changed since the previous pass."""
    with snapshot():
        allocations = Allocation.objects.none()
        if run.since is not None:
            allocations = Allocation.objects.filter(recorded_at__gte=run.since)
        ids = documents_to_check(
            run.since, set(allocations.values_list("document", flat=True))
        )
        checks = (partial(check_recent_changes, ids), partial(check_allocations, ids))
        report = VerificationReport(
            [finding for check in checks for finding in safely(check)], None
        )

    def covered(row: VerificationFinding) -> bool:
        return report.is_complete and covers(row, ids)

    return report, covered


def _check_everything(run: VerificationRun) -> tuple[VerificationReport, Covers]:
    report = verify_everything(now=run.started_at)
    return report, lambda row: report.is_complete


CHECKS: dict[str, Check] = {
    Kind.INCREMENTAL: _check_recent_changes,
    Kind.FULL: _check_everything,
}
