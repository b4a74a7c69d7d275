"""Billing runs: opened, cut, planned, finished, and reopened for one payer."""

import logging
from collections.abc import Mapping
from datetime import date, datetime

from django.db import connection, transaction

from billing.invoicing.domain.webhook_events import RunFinished
from billing.invoicing.models.runs import BillingRun, RunCut, RunItem
from billing.invoicing.queries.plans import (
    agencies_paid_by,
    billable_from,
    insert_plan,
)
from billing.invoicing.services.issuing import lock_accounts
from billing.invoicing.signals import step_reached
from billing.webhooks.services.outbox import PLATFORM, publish
from core.errors import Refusal
from core.postgres.arrays import columns
from seats.cutoffs.services import take_cut
from seats.models import Agency

log = logging.getLogger(__name__)
UNSETTLED = [RunItem.State.PENDING, RunItem.State.WORKING, RunItem.State.REVIEW]


class MonthNotOver(Refusal):
    """The month, or the grace period after it, has not ended in every time zone.

    Try again at the time that `detail` states.
    """

    code = "month_not_over"


class NotParked(Refusal):
    """The payer is not parked in this billing run.

    Reload the page for its current state.
    """

    code = "not_parked"


def start_run(
    *,
    month: date,
    actor: str,
    now: datetime,
    payer: Agency | None = None,
    accept_outliers: bool = False,
) -> BillingRun:
    """Cut the books and plan a month for every payer, or for one.

    An unfinished run of the same month and payer is resumed instead. Once the run is
    opened, the schedule resumes it too, so a crash in here loses nothing. Raises
    MonthNotOver.
    """
    require_over(month=month, payer=payer, now=now)
    with transaction.atomic(durable=True):
        run = open_run(
            month=month,
            payer=payer,
            actor=actor,
            now=now,
            accept_outliers=accept_outliers,
        )
    step_reached.send(BillingRun, step="opened")
    resume_run(run=run, now=now)
    return run


def request_run(
    *, month: date, actor: str, now: datetime, payer: Agency | None = None
) -> BillingRun:
    """Open a run, which the schedule then cuts, plans and works off.

    An unfinished run of the same month and payer is returned instead. Raises
    MonthNotOver.
    """
    require_over(month=month, payer=payer, now=now)
    with transaction.atomic():
        return open_run(month=month, payer=payer, actor=actor, now=now)


def open_run(
    *,
    month: date,
    payer: Agency | None,
    actor: str,
    now: datetime,
    accept_outliers: bool = False,
) -> BillingRun:
    """Return the unfinished run of a month and payer; create it if there is none.

    The row is the intent to bill. Call this in your transaction; once it is committed,
    `resume_run` does the rest, called by you or by the schedule.
    """
    unfinished = BillingRun.objects.select_for_update(no_key=True).filter(
        month=month, payer=payer, finished_at__isnull=True
    )
    run = None
    while run is None:
        # A concurrent insert is waited for and then read; its run may even be finished.
        BillingRun.objects.bulk_create(
            [
                BillingRun(
                    month=month,
                    payer=payer,
                    actor=actor,
                    started_at=now,
                    accept_outliers=accept_outliers,
                )
            ],
            ignore_conflicts=True,
        )
        run = unfinished.first()
    if accept_outliers and not run.accept_outliers:
        run.accept_outliers = True
        run.save(update_fields=["accept_outliers"])
    return run


def reopen_month(
    *,
    month: date,
    payer: Agency,
    actor: str,
    now: datetime,
    accept_outliers: bool = False,
) -> BillingRun:
    """Open a new run for a payer, to bill a month again at a new cut-off.

    Call this in the transaction of its cause, with the payer locked. The payer's open
    items of other runs of the month are released; the new run replaces them.
    """
    items = RunItem.objects.filter(payer=payer, run__month=month, state__in=UNSETTLED)
    items.finish(RunItem.State.RELEASED)
    finish_runs(now=now, payer=payer)
    return open_run(
        month=month,
        payer=payer,
        actor=actor,
        now=now,
        accept_outliers=accept_outliers,
    )


def resume_run(*, run: BillingRun, now: datetime) -> None:
    """Cut and plan a run, as far as that is not done yet.

    Safe to repeat, also concurrently. Raises MonthNotOver if an agency was added since
    in whose time zone the month is not over.
    """
    if run.planned_at is not None:
        return
    if not RunCut.objects.filter(run=run).exists():
        require_over(month=run.month, payer=run.payer, now=now)
        _cut(run)
        step_reached.send(BillingRun, step="cut")
    _plan(run, now)


def resume_runs(*, now: datetime) -> list[BillingRun]:
    """Resume every run that has no plan; return those that have one now.

    A run that cannot be resumed is logged and tried again next time.
    """
    resumed = []
    waiting = BillingRun.objects.filter(finished_at=None, planned_at=None)
    for run in waiting.select_related("payer").order_by("month", "pk"):
        try:
            resume_run(run=run, now=now)
        except MonthNotOver as refusal:
            log.info("Run %s has to wait. %s", run, refusal.message)
        except Exception:
            log.exception("Run %s could not be resumed.", run)
        else:
            resumed.append(run)
    return resumed


def require_over(*, month: date, payer: Agency | None, now: datetime) -> None:
    """Require that a month and the grace period after it have ended.

    They must have ended for every agency that the payer pays for, or for every agency
    if no payer is given. Raises MonthNotOver.
    """
    ready_at = billable_from(month, _agency_ids(payer))
    if now < ready_at:
        raise MonthNotOver(
            f"{month:%B %Y} can be billed from {ready_at:%Y-%m-%d %H:%M} UTC on. Try"
            " again then.",
            field="month",
        )


def _agency_ids(payer: Agency | None) -> set[int]:
    if payer:
        return agencies_paid_by(payer.pk)
    return set(Agency.objects.values_list("pk", flat=True))


def _cut(run: BillingRun) -> None:
    """Take the cut-offs, unless another process did so meanwhile.

    Buckets are locked before the run is read: whoever opens a run holds a payer's lock,
    for which a process that holds a bucket may be waiting.
    """
    with transaction.atomic(durable=True):
        cuts = take_cut(_agency_ids(run.payer), closing=run.month)
        if RunCut.objects.filter(run=run).exists():
            transaction.set_rollback(True)
        else:
            _store_cuts(run, cuts)


def _store_cuts(run: BillingRun, cuts: Mapping[int, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_runcut (run_id, agency_id, cutoff)"
            " SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[])",
            [run.pk, *columns(cuts.items(), 2)],
        )


def _plan(run: BillingRun, now: datetime) -> None:
    """Plan once only: watermarks move, so a second plan would differ."""
    with transaction.atomic(durable=True):
        locked = BillingRun.objects.select_for_update(no_key=True).get(pk=run.pk)
        if locked.planned_at is None:
            insert_plan(locked, now)
            locked.planned_at = now
            locked.save(update_fields=["planned_at"])
    run.planned_at = locked.planned_at
    step_reached.send(BillingRun, step="planned")
    finish_runs(now=now)


def release_item(
    *, item: RunItem, actor: str, now: datetime, accept_outliers: bool = False
) -> BillingRun:
    """Bill a parked payer again, at a new cut-off, and return the new run.

    `accept_outliers` skips the check for unusual totals. Raises NotParked and
    MonthNotOver.
    """
    month, payer = item.run.month, item.payer
    require_over(month=month, payer=payer, now=now)
    with transaction.atomic(durable=True):
        lock_accounts([payer.pk])
        parked = RunItem.objects.filter(pk=item.pk, state=RunItem.State.PARKED)
        if not parked.update(state=RunItem.State.RELEASED):
            raise NotParked(
                f"{payer.code} is not parked in the run for {month:%Y-%m}. Reload the"
                " page for its current state."
            )
        run = reopen_month(
            month=month,
            payer=payer,
            actor=actor,
            now=now,
            accept_outliers=accept_outliers,
        )
    step_reached.send(BillingRun, step="opened")
    resume_run(run=run, now=now)
    return run


def finish_runs(*, now: datetime, payer: Agency | None = None) -> list[BillingRun]:
    """Finish the runs whose items are all settled, of all payers or of one.

    Publishes an event for each, and returns them. Safe to repeat.
    """
    with transaction.atomic():
        planned = BillingRun.objects.select_for_update(skip_locked=True, no_key=True)
        if payer:
            planned = planned.filter(payer=payer)
        done = list(
            planned.filter(finished_at__isnull=True, planned_at__isnull=False)
            .exclude(items__state__in=UNSETTLED)
            .order_by("pk")
        )
        for run in done:
            run.finished_at = now
        BillingRun.objects.bulk_update(done, ["finished_at"])
        publish(*map(_finished, done), now=now)
    if done:
        step_reached.send(BillingRun, step="finished")
    return done


def _finished(run: BillingRun) -> RunFinished:
    return RunFinished(
        agency_id=PLATFORM,
        subject=f"run:{run.public_id}",
        id=run.public_id,
        month=run.month,
    )
