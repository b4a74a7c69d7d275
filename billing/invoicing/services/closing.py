"""Closes payers' months: from claimed run items to issued documents."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max

from billing.accounts.models import BillingAccount
from billing.invoicing.calculation.next_documents import NextDocuments, next_documents
from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun, RunCut, RunItem
from billing.invoicing.queries.affected_months import pairs_of
from billing.invoicing.services.drafting import (
    Draft,
    NewDocument,
    build_documents,
    store_drafts,
)
from billing.invoicing.services.issuing import (
    issue_drafts,
    lock_accounts,
    raise_watermarks,
)
from billing.invoicing.services.items import (
    claim_items,
    park_exhausted,
    park_items,
    retry_item,
)
from billing.invoicing.services.runs import finish_runs
from billing.invoicing.signals import step_reached
from core.errors import Refusal
from core.money import money_label
from core.queue.models import kept_leased
from seats.models import Agency

log = logging.getLogger(__name__)
ZERO = Decimal(0)


class UnusualTotal(Refusal):
    """The total is far above the payer's largest so far, so it needs a review.

    Check it, then bill it as it is, or correct the data and bill again.
    """

    code = "unusual_total"


def close_due(*, now: datetime, run: BillingRun | None = None) -> int:
    """Close one chunk of the payers that are due; return how many were claimed or parked.

    Safe to repeat, also concurrently. A payer that cannot be closed is parked or tried
    again later; the others go on.
    """
    parked = park_exhausted(now=now, run=run)
    items = claim_items(now=now, limit=settings.BILLING["CLOSE_CHUNK"], run=run)
    if items:
        with kept_leased(items, now=now, lease=settings.BILLING["CLOSE_LEASE"]):
            _close_or_retry(items, now)
    finish_runs(now=now)
    return parked + len(items)


def _close_or_retry(items: Sequence[RunItem], now: datetime) -> None:
    """Close items together; if that fails, one by one, so that only failures wait."""
    try:
        close_items(item_ids=[item.pk for item in items], now=now)
    except Exception as error:
        log.exception("Closing %d payers failed.", len(items))
        if len(items) == 1:
            retry_item(item=items[0], message=repr(error), now=now)
            return
        for item in items:
            _close_or_retry([item], now)


def close_items(*, item_ids: Sequence[int], now: datetime) -> list[Draft]:
    """Write the documents of claimed items and move their watermarks, in one commit.

    Payers are locked in the order of their ids. Items that were settled meanwhile are
    skipped, so repeating is safe.
    """
    with transaction.atomic(durable=True):
        payers = RunItem.objects.filter(pk__in=item_ids).values_list("payer", flat=True)
        accounts = lock_accounts(list(payers))
        items = list(
            RunItem.objects.select_for_update()
            .filter(pk__in=item_ids, state=RunItem.State.WORKING)
            .order_by("run_id", "payer_id")
        )
        runs = BillingRun.objects.in_bulk({item.run_id for item in items})
        drafts: list[Draft] = []
        for run_id, group in groupby(items, key=lambda item: item.run_id):
            # An earlier run in this chunk may have made a draft that this one awaits.
            ready = _without_drafts(list(group))
            drafts += _close_run_items(runs[run_id], ready, accounts, now)
        step_reached.send(RunItem, step="written")
    step_reached.send(RunItem, step="closed")
    return drafts


def _without_drafts(items: Sequence[RunItem]) -> list[RunItem]:
    """The items whose payers have no draft; the others wait until it is issued.

    A watermark must not move past facts that a draft, made at an older cut, leaves out.
    """
    drafted = set(
        Document.objects.filter(
            payer__in=[item.payer_id for item in items], state=Document.State.DRAFT
        ).values_list("payer", flat=True)
    )
    waiting = [item.pk for item in items if item.payer_id in drafted]
    if waiting:
        RunItem.objects.filter(pk__in=waiting).finish(RunItem.State.REVIEW)
    return [item for item in items if item.payer_id not in drafted]


def _close_run_items(
    run: BillingRun,
    items: Sequence[RunItem],
    accounts: Mapping[int, BillingAccount],
    now: datetime,
) -> list[Draft]:
    if not items:
        return []
    by_payer = {item.payer_id: item for item in items}
    computed = _next_documents(run, sorted(by_payer))
    refused = {p.payer_id: p.refusal for p in computed if p.refusal is not None}
    billable = [payer for payer in computed if payer.refusal is None]
    review = settings.BILLING["REVIEW_WINDOW"]
    if review:
        # One draft per payer: its next month waits until this one is issued.
        billable = [_first_only(payer) for payer in billable]
    documents = build_documents(billable, accounts)
    if not run.accept_outliers:
        refused |= _unusual_totals(documents)
    documents = [d for d in documents if d.payer_id not in refused]
    closed = [payer for payer in billable if payer.payer_id not in refused]
    drafts: list[Draft] = []
    for batch in _one_document_per_payer(documents):
        stored = store_drafts(
            batch,
            run_id=run.pk,
            review_until=now + review if review else None,
            now=now,
        )
        if not review:
            issue_drafts(stored, accounts, now=now)
        drafts += stored
    drafted = {draft.header.payer_id for draft in drafts} if review else set()
    raise_watermarks(
        [
            (payer.payer_id, agency_id, cutoff, payer.through)
            for payer in closed
            if payer.payer_id not in drafted
            for agency_id, cutoff in payer.cutoffs.items()
        ]
    )
    _settle_items(by_payer, closed, drafted, drafts)
    for payer_id, refusal in refused.items():
        park_items(
            item_ids=[by_payer[payer_id].pk],
            code=refusal.code,
            message=refusal.message,
        )
    return drafts


def _one_document_per_payer(
    documents: Sequence[NewDocument],
) -> Iterator[list[NewDocument]]:
    """Batches with one document per payer at most, in the order of the months."""
    waiting = list(documents)
    while waiting:
        firsts = {document.payer_id: document for document in reversed(waiting)}
        yield list(firsts.values())
        waiting = [d for d in waiting if d is not firsts[d.payer_id]]


def _next_documents(run: BillingRun, payer_ids: Sequence[int]) -> list[NextDocuments]:
    pairs = pairs_of(payer_ids)
    cutoffs = dict(
        RunCut.objects.filter(
            run=run, agency__in={pair.agency_id for pair in pairs}
        ).values_list("agency", "cutoff")
    )
    # An agency that the payer took over after the cut waits for the next run.
    pairs = [pair for pair in pairs if pair.agency_id in cutoffs]
    currencies = dict(
        Agency.objects.filter(pk__in=payer_ids).values_list("pk", "currency")
    )
    return next_documents(pairs, cutoffs, currencies, through=run.month)


def _first_only(payer: NextDocuments) -> NextDocuments:
    return replace(payer, documents=payer.documents[:1])


def _unusual_totals(documents: Sequence[NewDocument]) -> dict[int, Refusal]:
    """Refusals, by payer id, of totals far above the payer's largest so far.

    Each of a payer's documents is compared; void documents do not count, and a first
    document is never unusual. Totals below the price of `OUTLIER_FLOOR_SEATS` seats are
    ignored, so that the floor means the same in every currency.
    """
    factor = settings.BILLING["OUTLIER_FACTOR"]
    seats = settings.BILLING["OUTLIER_FLOOR_SEATS"]
    highest: dict[int, Decimal] = {}
    currencies = {document.payer_id: document.currency for document in documents}
    for document in documents:
        total = abs(sum((line.amount for line in document.lines), ZERO))
        if total > seats * document.seat_price:
            payer_id = document.payer_id
            highest[payer_id] = max(total, highest.get(payer_id, ZERO))
    counted = Document.objects.exclude(state=Document.State.VOID)
    largest = dict(
        counted.filter(payer__in=highest)
        .values_list("payer")
        .annotate(largest=Max("total"))
    )
    return {
        payer_id: UnusualTotal(
            f"A total of {money_label(total, currencies[payer_id])} is more than"
            f" {factor} times the payer's largest so far,"
            f" {money_label(largest[payer_id], currencies[payer_id])}. Check it, then"
            " bill it as it is, or correct the data and bill again."
        )
        for payer_id, total in highest.items()
        if payer_id in largest and total > factor * largest[payer_id]
    }


def _settle_items(
    by_payer: Mapping[int, RunItem],
    closed: Sequence[NextDocuments],
    drafted: set[int],
    drafts: Sequence[Draft],
) -> None:
    """Items of payers with a draft wait for its review; the others are done."""
    State = RunItem.State
    for payers, state in (
        ([p.payer_id for p in closed if p.payer_id not in drafted], State.DONE),
        (sorted(drafted), State.REVIEW),
    ):
        items = RunItem.objects.filter(pk__in=[by_payer[payer].pk for payer in payers])
        items.finish(state, last_error="", code="")
    per_payer = Counter(draft.header.payer_id for draft in drafts)
    for count in set(per_payer.values()):
        ids = [by_payer[payer].pk for payer, n in per_payer.items() if n == count]
        RunItem.objects.filter(pk__in=ids).update(documents=F("documents") + count)
    _release_parked(closed)


def _release_parked(closed: Sequence[NextDocuments]) -> None:
    """Parked items of these payers, in any run, are billed now."""
    RunItem.objects.filter(
        payer__in=[payer.payer_id for payer in closed], state=RunItem.State.PARKED
    ).update(state=RunItem.State.RELEASED)
