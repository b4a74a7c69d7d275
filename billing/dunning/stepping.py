"""The sweep: open cases of what is past due, and take the steps that are due.

Payers are locked first, as everywhere; who holds one now is looked at next time. A step
and what it leads to are one transaction, so a sweep that dies leaves it to the next.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from billing.dunning.queries import claim_due, claim_past_due, facts_of, open_cases
from billing.dunning.recording import (
    course_of,
    new_case,
    record_changes,
)
from billing.dunning.schedule import begin_overdue, when_due
from billing.dunning.services import rules
from billing.dunning.telling import ACTOR, Change
from billing.invoicing.models import Document
from billing.payments.services.holds import find_on_hold
from billing.payments.services.requesting import request_charge

log = logging.getLogger(__name__)
Claim = Callable[..., list[int]]
Work = Callable[[Sequence[int], datetime], int]


def step_due(*, now: datetime) -> int:
    """Open cases of what is past due, and take the steps that are due; how many.

    Each payer is looked at once. What is charged is so in a transaction of its own; the
    rest goes in sets. Safe to run twice, and at once.
    """
    chunk = settings.DUNNING["CHUNK"]
    opened = _sweep(claim_past_due, _open, now, chunk)
    stepped = _sweep(claim_due, _step, now, chunk)
    charged = _sweep(claim_due, _charge, now, 1)
    return opened + stepped + charged


def _sweep(claim: Claim, work: Work, now: datetime, limit: int) -> int:
    done, after = 0, 0
    while True:
        with transaction.atomic(durable=True):
            claimed = claim(now=now, after=after, limit=limit)
            if not claimed:
                return done
            done += _together(claimed, work, now)
        after = claimed[-1]


def _together(payer_ids: Sequence[int], work: Work, now: datetime) -> int:
    """Work on payers; where that fails, one by one, so that none holds up another."""
    try:
        with transaction.atomic():
            return work(payer_ids, now)
    except Exception:
        if len(payer_ids) == 1:
            log.exception("dunning of agency %d", payer_ids[0])
            return 0
    return sum(_together([payer_id], work, now) for payer_id in payer_ids)


def _open(payer_ids: Sequence[int], now: datetime) -> int:
    """Nobody had a case when they were claimed; somebody may have paid since."""
    known = facts_of(payer_ids, now=now)
    cases = open_cases(payer_ids)
    changes = [
        Change(new_case(payer_id, facts), facts, begin_overdue(facts, rules()))
        for payer_id, facts in known.items()
        if facts.overdue and not facts.resting and payer_id not in cases
    ]
    record_changes(changes, now=now)
    return len(changes)


def _step(payer_ids: Sequence[int], now: datetime) -> int:
    """What can be done in sets: all but charging."""
    changes = [one for one in _due(payer_ids, now) if not one.move.charges]
    record_changes(changes, now=now)
    return len(changes)


def _charge(payer_ids: Sequence[int], now: datetime) -> int:
    changes = _due(payer_ids, now)
    oldest = {
        change.facts.chargeable[0].invoice for change in changes if change.move.charges
    }
    held = find_on_hold(oldest, now=now)
    for change in changes:
        attempt = None
        if change.move.charges and change.facts.chargeable[0].invoice in held:
            continue  # the finding is kept, and the payer left alone from now on
        if change.move.charges:
            invoice = Document.objects.get(pk=change.facts.chargeable[0].invoice)
            attempt = request_charge(invoice=invoice, actor=ACTOR, now=now)
        record_changes([replace(change, attempt=attempt)], now=now)
    return len(changes)


def _due(payer_ids: Sequence[int], now: datetime) -> list[Change]:
    """What is to be done about the open cases of locked payers, as things are now."""
    known = facts_of(payer_ids, now=now)
    found = []
    for payer_id, case in open_cases(payer_ids).items():
        move = when_due(course_of(case), known[payer_id], rules())
        if move:
            found.append(Change(case, known[payer_id], move))
    return found
