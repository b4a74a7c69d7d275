"""Checks that ended months are billed, runs are finished, and drafts are issued."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime

from django.conf import settings
from django.db.models import Exists, Max, OuterRef, Q

from billing.accounts.domain.shares import month_segments
from billing.accounts.queries import share_sets_of
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunCut, RunItem
from billing.invoicing.queries.affected_months import (
    PayerAgency,
    months_to_close,
    pairs_of,
)
from billing.invoicing.queries.facts import Span, facts_of
from billing.invoicing.queries.plans import billable_from
from billing.invoicing.services.runs import UNSETTLED
from billing.invoicing.verification.findings import Finding
from core.periods import month_of, previous_month
from seats.cutoffs.models import CutoffCounter
from seats.models import Agency

State = RunItem.State
IN_HAND = [*UNSETTLED, State.PARKED]


def check_billing_runs(*, now: datetime) -> Iterator[Finding]:
    """Check for unbilled months, unfinished runs, and drafts that were never issued.

    Each is reported once it is overdue by `OVERDUE_AFTER`, so that a run in progress is
    not. Payers that are parked or under review wait for a person and are not reported.
    """
    late = now - settings.BILLING["OVERDUE_AFTER"]
    yield from _unbilled_months(late)
    yield from _unfinished_runs(late)
    yield from _drafts(late)


def _unbilled_months(late: datetime) -> Iterator[Finding]:
    agency_ids = set(Agency.objects.values_list("pk", flat=True))
    month = previous_month(month_of(late.date()))
    if late < billable_from(month, agency_ids):
        month = previous_month(month)
    pairs = pairs_of(agency_ids)
    months = months_to_close(pairs, through=dict.fromkeys(agency_ids, month))
    codes = dict(Agency.objects.values_list("pk", "code"))
    candidates = [(pair, month) for pair, own in zip(pairs, months, strict=True)
                  for month in own]  # fmt: skip
    unbilled = [
        (pair, spans) for pair, spans in _spans(candidates) if _has_facts(spans)
    ]
    for pair, spans in unbilled:
        yield Finding(
            "month_not_billed",
            f"{codes[pair.payer_id]} {spans[0].month:%Y-%m}",
            f"seats or usage of {codes[pair.agency_id]} are not billed, and no run"
            " includes them",
        )


def _spans(
    candidates: list[tuple[PayerAgency, date]],
) -> Iterator[tuple[PayerAgency, list[Span]]]:
    """The spans that payers have to pay, of months that no run is working on.

    Facts recorded above the cut of a month's run are late: the next run bills them.
    """
    share_sets = share_sets_of({pair.agency_id for pair, _ in candidates})
    items = RunItem.objects.filter(state__in=IN_HAND)
    in_hand = _newest_months(items.values_list("payer", "run__month"))
    runs = BillingRun.objects.values_list("payer", "month")
    unplanned = _newest_months(runs.filter(planned_at=None))
    last_run = _newest_months(runs.filter(payer=None)).get(None, date.min)
    cutoffs = dict(CutoffCounter.objects.values_list("agency", "cutoff"))
    for pair, month in candidates:
        busy = (
            in_hand.get(pair.payer_id), unplanned.get(pair.payer_id), unplanned.get(None)
        )  # fmt: skip
        if any(through and through >= month for through in busy):
            continue
        cutoff = _last_cut(pair, month)
        if cutoff is None and last_run < month:
            cutoff = cutoffs[pair.agency_id]
        if cutoff is None:  # the agency, or its payer, came after the cut
            continue
        segments = month_segments(
            share_sets.get(pair.agency_id, ()),
            agency_id=pair.agency_id,
            month=month,
            cutoff=cutoff,
        )
        spans = [
            Span(pair.agency_id, month, s.starts_on, s.ends_on, cutoff, s.shares)
            for s in segments
            if pair.payer_id in s.shares
        ]
        if spans:
            yield pair, spans


def _newest_months(
    rows: Iterable[tuple[int | None, date]],
) -> Mapping[int | None, date]:
    newest: dict[int | None, date] = {}
    for payer_id, month in rows:
        newest[payer_id] = max(newest.get(payer_id, month), month)
    return newest


def _last_cut(pair: PayerAgency, month: date) -> int | None:
    cuts = RunCut.objects.filter(agency=pair.agency_id, run__month__gte=month)
    own = cuts.filter(Q(run__payer=None) | Q(run__payer=pair.payer_id))
    cutoff: int | None = own.aggregate(last=Max("cutoff"))["last"]
    return cutoff


def _has_facts(spans: list[Span]) -> bool:
    return any(facts.seat_days or facts.usage for facts in facts_of(spans))


def _unfinished_runs(late: datetime) -> Iterator[Finding]:
    runs = BillingRun.objects.filter(finished_at=None, started_at__lte=late)
    items = RunItem.objects.filter(run=OuterRef("pk"))
    busy = items.filter(state__in=[State.PENDING, State.WORKING])
    stuck = runs.annotate(
        overdue=Exists(busy.filter(next_attempt_at__lte=late)),
        open=Exists(items.filter(state__in=UNSETTLED)),
    ).filter(Q(planned_at=None) | Q(overdue=True) | Q(open=False))
    for run in stuck.select_related("payer").order_by("pk"):
        problem = "has not finished" if run.planned_at else "has no plan"
        payer = f" for {run.payer.code}" if run.payer else ""
        yield Finding(
            "run_unfinished",
            f"{run}{payer}",
            f"{problem}; it was started at {run.started_at:%Y-%m-%d %H:%M} UTC",
        )


def _drafts(late: datetime) -> Iterator[Finding]:
    drafts = Document.objects.filter(state=Document.State.DRAFT, review_until__lte=late)
    for draft in drafts.select_related("payer").order_by("pk"):
        yield Finding(
            "draft_not_issued",
            f"{draft.payer.code} {draft.month:%Y-%m}",
            f"the draft is not issued; its review ended at"
            f" {draft.review_until:%Y-%m-%d %H:%M} UTC",
        )
