"""The dunning sweep: open cases for past-due invoices, and take the steps that are due.

Payers are locked first, as everywhere; payers locked by others wait for the next sweep.
A step and its consequences are one transaction, so if a sweep dies, the next repeats it.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.collection.services.attempts import request_charge
from billing.collection.services.holds import find_on_hold
from billing.dunning.domain.schedule import begin_overdue, when_due
from billing.dunning.queries import (
    claim_due,
    claim_past_due,
    open_cases,
    payer_snapshots,
)
from billing.dunning.services.cases import dunning_policy
from billing.dunning.services.notifications import ACTOR, CaseChange
from billing.dunning.services.recording import course_of, new_case, record_changes
from billing.invoicing.models.documents import Document

log = logging.getLogger(__name__)
ClaimPayers = Callable[..., list[int]]
WorkOnPayers = Callable[[Sequence[int], datetime], int]


def step_due(*, now: datetime) -> int:
    """Open cases for past-due invoices and take all due steps; return how many.

    Each payer is handled once. Charges are requested in a transaction per payer, all
    other steps in batches. Safe to run repeatedly and concurrently.
    """
    chunk = settings.DUNNING["CHUNK"]
    opened = _sweep(claim_past_due, _open, now, chunk)
    stepped = _sweep(claim_due, _step, now, chunk)
    charged = _sweep(claim_due, _charge, now, 1)
    return opened + stepped + charged


def _sweep(claim: ClaimPayers, work: WorkOnPayers, now: datetime, limit: int) -> int:
    done, after = 0, 0
    while True:
        with transaction.atomic(durable=True):
            claimed = claim(now=now, after=after, limit=limit)
            if not claimed:
                return done
            done += _work_in_batch(claimed, work, now)
        after = claimed[-1]


def _work_in_batch(payer_ids: Sequence[int], work: WorkOnPayers, now: datetime) -> int:
    """WorkOnPayers on payers; if that fails, on each by itself, so none holds up the others."""
    try:
        with transaction.atomic():
            return work(payer_ids, now)
    except Exception:
        if len(payer_ids) == 1:
            log.exception("Dunning of agency %d failed.", payer_ids[0])
            return 0
    return sum(_work_in_batch([payer_id], work, now) for payer_id in payer_ids)


def _open(payer_ids: Sequence[int], now: datetime) -> int:
    """Open cases; payers may have paid or got a case since they were claimed."""
    snapshots = payer_snapshots(payer_ids, now=now)
    cases = open_cases(payer_ids)
    changes = [
        CaseChange(
            new_case(payer_id, snapshot),
            snapshot,
            begin_overdue(snapshot, dunning_policy()),
        )
        for payer_id, snapshot in snapshots.items()
        if snapshot.overdue and not snapshot.resting and payer_id not in cases
    ]
    record_changes(changes, now=now)
    return len(changes)


def _step(payer_ids: Sequence[int], now: datetime) -> int:
    """Take the due steps except charges."""
    changes = [row for row in _due(payer_ids, now) if not row.transition.charges]
    record_changes(changes, now=now)
    return len(changes)


def _charge(payer_ids: Sequence[int], now: datetime) -> int:
    changes = _due(payer_ids, now)
    oldest = {
        change.snapshot.chargeable[0].invoice
        for change in changes
        if change.transition.charges
    }
    held = find_on_hold(oldest, now=now)
    for change in changes:
        attempt = None
        if change.transition.charges and change.snapshot.chargeable[0].invoice in held:
            continue  # verification found a difference: the payer is paused from now on
        if change.transition.charges:
            invoice = Document.objects.get(pk=change.snapshot.chargeable[0].invoice)
            attempt = request_charge(invoice=invoice, actor=ACTOR, now=now)
        record_changes([replace(change, attempt=attempt)], now=now)
    return len(changes)


def _due(payer_ids: Sequence[int], now: datetime) -> list[CaseChange]:
    """The due changes of the open cases of locked payers."""
    snapshots = payer_snapshots(payer_ids, now=now)
    changes = []
    for payer_id, case in open_cases(payer_ids).items():
        transition = when_due(course_of(case), snapshots[payer_id], dunning_policy())
        if transition:
            changes.append(CaseChange(case, snapshots[payer_id], transition))
    return changes
