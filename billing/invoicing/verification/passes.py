"""Verification passes as rows: when a pass is due, who runs it, and its outcome."""

from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.invoicing.models.verification import VerificationRun
from billing.invoicing.verification.incremental import since_last_pass
from billing.invoicing.verification.notifications import notify_failure
from billing.invoicing.verification.recording import Covers, record_findings
from billing.invoicing.verification.services import VerificationReport
from core.postgres.locks import lock_name
from core.queue.heartbeat import renewed

Kind, State = VerificationRun.Kind, VerificationRun.State
Clock = Callable[[], datetime]
Check = Callable[[VerificationRun], tuple[VerificationReport, Covers]]
LOST = "The worker was lost before the pass finished."
CLAIMING = "verification_runs"
SCHEDULE = "schedule"


def claim_pass(
    *, kind: str, actor: str, now: datetime, is_requested: bool = False
) -> VerificationRun | None:
    """Begin a pass that is due or requested; None if it is not, or another one runs.

    A pass whose lease has ended lost its worker: it is marked as failed, and staff are
    notified.
    """
    with transaction.atomic(durable=True):
        lock_name(CLAIMING)
        runs = VerificationRun.objects.filter(kind=kind)
        for lost in runs.filter(state=State.RUNNING, leased_until__lte=now):
            _fail(lost, LOST, now)
        last = runs.order_by("-started_at").first()
        if last and (
            last.state == State.RUNNING or not (is_requested or _due(last, now))
        ):
            return None
        return VerificationRun.objects.create(
            kind=kind,
            actor=actor,
            started_at=now,
            leased_until=now + settings.VERIFICATION["LEASE"],
            since=since_last_pass() if kind == Kind.INCREMENTAL else None,
        )


def make_pass(
    run: VerificationRun, *, check: Check, clock: Clock
) -> VerificationReport:
    """Run a check and record its findings. Raises what the check raises."""
    try:
        lease = settings.VERIFICATION["LEASE"]
        with renewed(lambda _: _renew(run, clock() + lease), lease=lease):
            report, covers = check(run)
        finish_pass(run, report, covers, now=clock())
    except Exception as error:
        with transaction.atomic():
            _fail(run, f"{type(error).__name__}: {error}", clock())
        raise
    return report


def finish_pass(
    run: VerificationRun, report: VerificationReport, covers: Covers, *, now: datetime
) -> None:
    """Store the findings of a pass, unless it lost its lease to another pass."""
    with transaction.atomic():
        rows = VerificationRun.objects.select_for_update(no_key=True)
        if rows.get(pk=run.pk).state != State.RUNNING:
            return
        recorded = record_findings(report.findings, covers=covers, run=run, now=now)
        VerificationRun.objects.filter(pk=run.pk).update(
            state=State.FINISHED,
            finished_at=now,
            leased_until=None,
            findings=len(report.findings),
            opened=len(recorded.opened),
            resolved=recorded.resolved,
            pending_facts=report.pending_facts,
        )


def _renew(run: VerificationRun, leased_until: datetime) -> None:
    running = VerificationRun.objects.filter(pk=run.pk, state=State.RUNNING)
    running.update(leased_until=leased_until)


def _due(last: VerificationRun, now: datetime) -> bool:
    has_failed = last.state == State.FAILED
    pauses = settings.VERIFICATION
    pause = pauses["RETRY"] if has_failed else pauses["EVERY"][last.kind]
    return bool(now >= last.started_at + pause)


def _fail(run: VerificationRun, error: str, now: datetime) -> None:
    running = VerificationRun.objects.filter(pk=run.pk, state=State.RUNNING)
    failed = running.update(
        state=State.FAILED, finished_at=now, leased_until=None, error=error
    )
    if failed:
        run.error = error
        notify_failure(run, now=now)
