"""A month's run: opened, cut, planned, finished; and opened again for one payer."""

import logging
from collections.abc import Mapping
from datetime import date, datetime

from django.db import connection, transaction

from billing.invoicing.models import BillingRun, RunCut, RunItem
from billing.invoicing.queries.plans import (
    agencies_paid_by,
    billable_from,
    insert_plan,
)
from billing.invoicing.services.issuing import lock_accounts
from billing.invoicing.signals import step_reached
from billing.webhooks.services import PLATFORM, NewEvent, publish
from seats.arrays import columns
from seats.cutoffs.services import take_cut
from seats.errors import Refusal
from seats.models import Agency

log = logging.getLogger(__name__)
UNSETTLED = [RunItem.State.PENDING, RunItem.State.WORKING, RunItem.State.REVIEW]


class MonthNotOver(Refusal):
    code = "month_not_over"


class NotParked(Refusal):
    code = "not_parked"


def start_run(
    *,
    month: date,
    actor: str,
    now: datetime,
    payer: Agency | None = None,
    accept_outliers: bool = False,
) -> BillingRun:
    """Cut the books and plan the month of every payer, or of one.

    An unfinished run of the same month and payer is resumed instead. Once the run is
    opened the schedule resumes it too, so dying in here loses nothing. Raises
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


def open_run(
    *,
    month: date,
    payer: Agency | None,
    actor: str,
    now: datetime,
    accept_outliers: bool = False,
) -> BillingRun:
    """The unfinished run of a month and payer, made if there is none.

    The row is the intent to bill: write it in the transaction of its cause, and commit;
    `resume_run` does the rest, called by whoever opened it or by the schedule.
    """
    unfinished = BillingRun.objects.select_for_update(no_key=True).filter(
        month=month, payer=payer, finished_at__isnull=True
    )
    run = None
    while run is None:
        # Somebody else's insert is waited for, and then found; it may even be over.
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
    """A new run for a payer whose month is to be billed again at a new cut-off.

    Called with the payer locked, in the transaction of the cause. What other runs of
    the month still had to do for this payer is left to the new one.
    """
    RunItem.objects.filter(payer=payer, run__month=month, state__in=UNSETTLED).update(
        state=RunItem.State.RELEASED, lease_until=None
    )
    finish_runs(now=now, payer=payer)
    return open_run(
        month=month,
        payer=payer,
        actor=actor,
        now=now,
        accept_outliers=accept_outliers,
    )


def resume_run(*, run: BillingRun, now: datetime) -> None:
    """Do what is missing of a run's cut and plan; nothing if both are there.

    Safe to repeat, and at once. Raises MonthNotOver while an agency that came since
    still has a part of the month before it.
    """
    if run.planned_at is not None:
        return
    if not RunCut.objects.filter(run=run).exists():
        require_over(month=run.month, payer=run.payer, now=now)
        _cut(run)
        step_reached.send(BillingRun, step="cut")
    _plan(run, now)


def resume_runs(*, now: datetime) -> list[BillingRun]:
    """Resume every run that was opened and has no plan; those that have one now.

    One that cannot be resumed is logged and stays for the next time.
    """
    resumed = []
    waiting = BillingRun.objects.filter(finished_at=None, planned_at=None)
    for run in waiting.select_related("payer").order_by("month", "pk"):
        try:
            resume_run(run=run, now=now)
        except MonthNotOver as refusal:
            log.info("%s waits: %s", run, refusal.message)
        except Exception:
            log.exception("%s cannot be resumed", run)
        else:
            resumed.append(run)
    return resumed


def require_over(*, month: date, payer: Agency | None, now: datetime) -> None:
    """Raises MonthNotOver before the month, and the grace after it, has ended for every
    agency that the payer pays for, or for every agency where no payer is named."""
    ready_at = billable_from(month, _agency_ids(payer))
    if now < ready_at:
        raise MonthNotOver(
            f"{month:%B %Y} can be billed from {ready_at:%Y-%m-%d %H:%M} UTC on.",
            field="month",
        )


def _agency_ids(payer: Agency | None) -> set[int]:
    if payer:
        return agencies_paid_by(payer.pk)
    return set(Agency.objects.values_list("pk", flat=True))


def _cut(run: BillingRun) -> None:
    """Take the numbers, unless somebody did while their facts were waited for.

    Buckets are locked before the run is looked at: who opens a run holds a payer, for
    whom somebody with a bucket may be waiting.
    """
    with transaction.atomic(durable=True):
        cuts = take_cut(_agency_ids(run.payer), closing=run.month)
        if RunCut.objects.filter(run=run).exists():
            transaction.set_rollback(True)
        else:
            _keep_cuts(run, cuts)


def _keep_cuts(run: BillingRun, cuts: Mapping[int, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_runcut (run_id, agency_id, cutoff)"
            " SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[])",
            [run.pk, *columns(cuts.items(), 2)],
        )


def _plan(run: BillingRun, now: datetime) -> None:
    """Plan once: a second plan would be made of watermarks that have moved."""
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
    """Bill a parked payer after all, at a new cut-off. Raises NotParked, MonthNotOver."""
    month, payer = item.run.month, item.payer
    require_over(month=month, payer=payer, now=now)
    with transaction.atomic(durable=True):
        lock_accounts([payer.pk])
        parked = RunItem.objects.filter(pk=item.pk, state=RunItem.State.PARKED)
        if not parked.update(state=RunItem.State.RELEASED):
            raise NotParked(f"{item} is not parked.")
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
    """Mark the runs whose every item is settled, and announce them; or only a payer's."""
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
        publish([_finished(run) for run in done], now=now)
    if done:
        step_reached.send(BillingRun, step="finished")
    return done


def _finished(run: BillingRun) -> NewEvent:
    return NewEvent(
        PLATFORM,
        "run.finished",
        f"run:{run.public_id}",
        {"id": str(run.public_id), "month": run.month.isoformat()},
    )
