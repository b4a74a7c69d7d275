"""A month's run: the cut, the plan, and the claiming of its items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings
from django.db import connection, transaction

from billing.invoicing.models import BillingRun, RunCut, RunItem
from billing.invoicing.queries.plans import agencies_paid_by, insert_plan
from billing.invoicing.signals import step_reached
from billing.webhooks.services import PLATFORM, NewEvent, publish
from seats.agencies.queries import zones_of
from seats.arrays import columns
from seats.cutoffs.services import take_cut
from seats.errors import Refusal
from seats.models import Agency
from seats.periods import month_over_at

UNSETTLED = [RunItem.State.PENDING, RunItem.State.WORKING, RunItem.State.REVIEW]


class MonthNotOver(Refusal):
    code = "month_not_over"


class NotParked(Refusal):
    code = "not_parked"


@dataclass(frozen=True, slots=True)
class Claim:
    """Items a worker holds until its lease ends."""

    item_ids: list[int]
    exhausted: list[int]


def start_run(
    *,
    month: date,
    actor: str,
    now: datetime,
    payer: Agency | None = None,
    accept_outliers: bool = False,
) -> BillingRun:
    """Cut the books and plan the month of every payer, or of one.

    An unfinished run of the same month and payer is resumed instead. Raises
    MonthNotOver.
    """
    agency_ids = (
        agencies_paid_by(payer.pk)
        if payer
        else set(Agency.objects.values_list("pk", flat=True))
    )
    _require_over(month, agency_ids, now)
    with transaction.atomic(durable=True):
        run = _open_run(month, payer, actor, now, accept_outliers=accept_outliers)
        if not RunCut.objects.filter(run=run).exists():
            cuts = take_cut(agency_ids, closing=month)
            _keep_cuts(run, cuts)
    step_reached.send(BillingRun, step="cut")
    if run.planned_at is None:
        _plan(run, now)
    return run


def _keep_cuts(run: BillingRun, cuts: Mapping[int, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_runcut (run_id, agency_id, cutoff)"
            " SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[])",
            [run.pk, *columns(cuts.items(), 2)],
        )


def _open_run(
    month: date,
    payer: Agency | None,
    actor: str,
    now: datetime,
    *,
    accept_outliers: bool,
) -> BillingRun:
    """The unfinished run of a month and payer, made if there is none."""
    unfinished = BillingRun.objects.select_for_update().filter(
        month=month, payer=payer, finished_at__isnull=True
    )
    while True:
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
        if run := unfinished.first():
            return run


def _plan(run: BillingRun, now: datetime) -> None:
    with transaction.atomic(durable=True):
        insert_plan(run, now)
        run.planned_at = now
        run.save(update_fields=["planned_at"])
    step_reached.send(BillingRun, step="planned")
    finish_runs(now=now)


def _require_over(month: date, agency_ids: set[int], now: datetime) -> None:
    grace = settings.BILLING["GRACE"]
    for zones in zones_of(agency_ids).values():
        ready_at = month_over_at(month, zones) + grace
        if now < ready_at:
            raise MonthNotOver(
                f"{month:%B %Y} can be billed from {ready_at:%Y-%m-%d %H:%M} UTC on.",
                field="month",
            )


# Fresh items go in chunks; one that was tried before goes alone, so that one that
# kills its worker takes no others with it.
CLAIM = """
    WITH due AS (
        SELECT id, attempts FROM billing_runitem AS item
        WHERE (state = 'pending' AND next_attempt_at <= %(now)s
               OR state = 'working' AND lease_until <= %(now)s)
          AND (%(run)s::bigint IS NULL OR run_id = %(run)s)
        ORDER BY attempts > 0, run_id, payer_id
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), taken AS (
        SELECT id FROM due WHERE attempts = 0
        UNION ALL
        (SELECT id FROM due WHERE attempts > 0
            AND NOT EXISTS (SELECT FROM due WHERE attempts = 0) LIMIT 1)
    )
    UPDATE billing_runitem AS item
    SET state = 'working', attempts = attempts + 1, lease_until = %(lease_until)s
    FROM taken WHERE item.id = taken.id
    RETURNING item.id, item.attempts
"""


def claim_items(*, now: datetime, limit: int, run: BillingRun | None = None) -> Claim:
    """Take due items, counting the attempt before the work, in a commit of its own."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            CLAIM,
            {
                "now": now,
                "run": run.pk if run else None,
                "limit": limit,
                "lease_until": now + settings.BILLING["CLOSE_LEASE"],
            },
        )
        rows = cursor.fetchall()
    most = settings.BILLING["CLOSE_ATTEMPTS"]
    claim = Claim(
        [item for item, attempts in rows if attempts <= most],
        [item for item, attempts in rows if attempts > most],
    )
    if rows:
        step_reached.send(RunItem, step="claimed")
    return claim


def park_items(*, item_ids: Sequence[int], code: str, message: str) -> None:
    """Set payers aside for a person; their watermarks stay, so nothing is skipped."""
    with transaction.atomic():
        RunItem.objects.filter(pk__in=item_ids).update(
            state=RunItem.State.PARKED,
            code=code,
            last_error=message,
            lease_until=None,
        )
    step_reached.send(RunItem, step="parked")


def park_exhausted(*, item_ids: Sequence[int]) -> None:
    """Set aside payers that no attempt could close, with the last error if any."""
    items = RunItem.objects.filter(pk__in=item_ids)
    failed = dict(items.exclude(last_error="").values_list("pk", "last_error"))
    crashed = [item_id for item_id in item_ids if item_id not in failed]
    park_items(
        item_ids=crashed,
        code="crashed",
        message="Every attempt ended without a result.",
    )
    for item_id, message in failed.items():
        park_items(item_ids=[item_id], code="failed", message=message)


def retry_item(*, item_id: int, message: str, now: datetime) -> None:
    """Give an item that failed back, for later."""
    RunItem.objects.filter(pk=item_id).update(
        state=RunItem.State.PENDING,
        last_error=message,
        lease_until=None,
        next_attempt_at=now + settings.BILLING["CLOSE_RETRY"],
    )


def release_item(
    *, item: RunItem, actor: str, now: datetime, accept_outliers: bool = False
) -> BillingRun:
    """Bill a parked payer after all, at a new cut-off. Raises NotParked."""
    with transaction.atomic():
        parked = RunItem.objects.filter(pk=item.pk, state=RunItem.State.PARKED)
        if not parked.update(state=RunItem.State.RELEASED):
            raise NotParked(f"{item} is not parked.")
    return start_run(
        month=item.run.month,
        payer=item.payer,
        actor=actor,
        now=now,
        accept_outliers=accept_outliers,
    )


def finish_runs(*, now: datetime) -> list[BillingRun]:
    """Mark the runs whose every item is settled, and announce them."""
    with transaction.atomic():
        done = list(
            BillingRun.objects.select_for_update(skip_locked=True)
            .filter(finished_at__isnull=True, planned_at__isnull=False)
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
