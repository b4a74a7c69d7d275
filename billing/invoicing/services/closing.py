"""Closing payers' months: from a claimed item to issued documents."""

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

from billing.accounts.models import Account
from billing.heartbeat import renewed
from billing.invoicing.models import BillingRun, Document, RunCut, RunItem
from billing.invoicing.queries.concerned import pairs_of
from billing.invoicing.queries.next_documents import NextDocuments, next_documents
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
    renew_claim,
    retry_item,
)
from billing.invoicing.services.runs import finish_runs
from billing.invoicing.signals import step_reached
from seats.errors import Refusal
from seats.models import Agency

log = logging.getLogger(__name__)
ZERO = Decimal(0)


class UnusualTotal(Refusal):
    code = "unusual_total"


def close_due(*, now: datetime, run: BillingRun | None = None) -> int:
    """Close one chunk of the payers that are due; how many items were taken.

    Safe to run anywhere, any number of times at once. A payer that cannot be closed
    is parked or tried again later; the others go on.
    """
    claim = claim_items(now=now, limit=settings.BILLING["CLOSE_CHUNK"], run=run)
    if claim.is_exhausted:
        park_exhausted(item_ids=claim.item_ids)
    elif claim.item_ids:
        with renewed(
            lambda elapsed: renew_claim(claim=claim, now=now + elapsed),
            lease=settings.BILLING["CLOSE_LEASE"],
        ):
            _close_or_set_aside(claim.item_ids, now)
    finish_runs(now=now)
    return len(claim.item_ids)


def _close_or_set_aside(item_ids: Sequence[int], now: datetime) -> None:
    """Together if possible; if that fails, one by one, to find the culprit."""
    try:
        close_items(item_ids=item_ids, now=now)
    except Exception as error:
        log.exception("closing %d payers failed", len(item_ids))
        if len(item_ids) == 1:
            retry_item(item_id=item_ids[0], message=repr(error), now=now)
            return
        for item_id in item_ids:
            _close_or_set_aside([item_id], now)


def close_items(*, item_ids: Sequence[int], now: datetime) -> list[Draft]:
    """Write the documents of claimed items and move their watermarks, in one commit.

    Payers are locked in the order of their ids. Items that somebody else settled
    meanwhile are left alone, so repeating is harmless.
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
            # A run may have drafted what the next one in this chunk would pass over.
            ready = _without_drafts(list(group))
            drafts += _close_run_items(runs[run_id], ready, accounts, now)
        step_reached.send(RunItem, step="written")
    step_reached.send(RunItem, step="closed")
    return drafts


def _without_drafts(items: Sequence[RunItem]) -> list[RunItem]:
    """The items whose payers have no draft; the others wait until theirs is issued.

    A watermark must not move past facts that a draft, made at an older cut, left out.
    """
    drafted = set(
        Document.objects.filter(
            payer__in=[item.payer_id for item in items], status=Document.Status.DRAFT
        ).values_list("payer", flat=True)
    )
    waiting = [item.pk for item in items if item.payer_id in drafted]
    if waiting:
        RunItem.objects.filter(pk__in=waiting).update(
            state=RunItem.State.REVIEW, lease_until=None
        )
    return [item for item in items if item.payer_id not in drafted]


def _close_run_items(
    run: BillingRun,
    items: Sequence[RunItem],
    accounts: Mapping[int, Account],
    now: datetime,
) -> list[Draft]:
    if not items:
        return []
    by_payer = {item.payer_id: item for item in items}
    found = _next_documents(run, sorted(by_payer))
    refused = {p.payer_id: p.refusal for p in found if p.refusal is not None}
    found = [payer for payer in found if payer.refusal is None]
    review = settings.BILLING["REVIEW_WINDOW"]
    if review:
        # One draft a payer: its next month waits for the issue of this one.
        found = [_first_only(payer) for payer in found]
    documents = build_documents(found, accounts)
    if not run.accept_outliers:
        refused |= _unusual(documents)
    documents = [d for d in documents if d.payer_id not in refused]
    closed = [payer for payer in found if payer.payer_id not in refused]
    drafts: list[Draft] = []
    for documents_of_a_round in _rounds(documents):
        stored = store_drafts(
            documents_of_a_round,
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
    _settle(by_payer, closed, drafted, drafts)
    for payer_id, refusal in refused.items():
        park_items(
            item_ids=[by_payer[payer_id].pk],
            code=refusal.code,
            message=refusal.message,
        )
    return drafts


def _rounds(documents: Sequence[NewDocument]) -> Iterator[list[NewDocument]]:
    """The first document of each payer, then the second: one draft at a time."""
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
    # An agency that came under the payer after the cut waits for the next one.
    pairs = [pair for pair in pairs if pair.agency_id in cutoffs]
    currencies = dict(
        Agency.objects.filter(pk__in=payer_ids).values_list("pk", "currency")
    )
    return next_documents(pairs, cutoffs, currencies, through=run.month)


def _first_only(payer: NextDocuments) -> NextDocuments:
    return replace(payer, documents=payer.documents[:1])


def _unusual(documents: Sequence[NewDocument]) -> dict[int, Refusal]:
    """Totals far above a payer's largest so far; a first document has no measure.

    Each of several documents is measured. What was voided is no measure. Small totals
    are never unusual; what is small is said in seats, so that it means the same in every
    currency.
    """
    factor = settings.BILLING["OUTLIER_FACTOR"]
    seats = settings.BILLING["OUTLIER_FLOOR_SEATS"]
    highest: dict[int, Decimal] = {}
    for document in documents:
        total = abs(sum((line.amount for line in document.lines), ZERO))
        if total > seats * document.seat_price:
            payer_id = document.payer_id
            highest[payer_id] = max(total, highest.get(payer_id, ZERO))
    counted = Document.objects.exclude(status=Document.Status.VOID)
    largest = dict(
        counted.filter(payer__in=highest)
        .values_list("payer")
        .annotate(largest=Max("total"))
    )
    return {
        payer_id: UnusualTotal(
            f"{total} is more than {factor} times the largest so far,"
            f" {largest[payer_id]}."
        )
        for payer_id, total in highest.items()
        if payer_id in largest and total > factor * largest[payer_id]
    }


def _settle(
    by_payer: Mapping[int, RunItem],
    closed: Sequence[NextDocuments],
    drafted: set[int],
    drafts: Sequence[Draft],
) -> None:
    """Items of drafted payers wait for the review, the others are done."""
    State = RunItem.State
    for payers, state in (
        ([p.payer_id for p in closed if p.payer_id not in drafted], State.DONE),
        (sorted(drafted), State.REVIEW),
    ):
        RunItem.objects.filter(pk__in=[by_payer[payer].pk for payer in payers]).update(
            state=state, lease_until=None, last_error="", code=""
        )
    per_payer = Counter(draft.header.payer_id for draft in drafts)
    for count in set(per_payer.values()):
        items = [by_payer[p].pk for p, many in per_payer.items() if many == count]
        RunItem.objects.filter(pk__in=items).update(documents=F("documents") + count)
    _release_parked(closed)


def _release_parked(closed: Sequence[NextDocuments]) -> None:
    """What was parked for these payers is billed with them."""
    RunItem.objects.filter(
        payer__in=[payer.payer_id for payer in closed], state=RunItem.State.PARKED
    ).update(state=RunItem.State.RELEASED)
