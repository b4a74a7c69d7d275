"""A processor's list of a day against our rows and the ledger's cash.

They learn of money when it moves, we when we are told. So rows are matched by
reference over all time: what is in their day must be somewhere in ours, and what we
learned in that day somewhere in theirs, some days around.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from billing.money import plain
from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import (
    AccountMovement,
    SupportsHistory,
    Unreachable,
)
from billing.payments.queries.cash import Booked, Key, booked_of, cash_of
from billing.payments.services.calling import Connect
from billing.payments.services.connecting import connect
from billing.webhooks.services import PLATFORM, NewEvent, publish
from seats.errors import Refusal

BEFORE, AFTER = timedelta(days=7), timedelta(days=1)  # around a day, in their list
DAY = timedelta(days=1)
EQUAL, DIFFER = "payments.reconciled", "payments.differ"
logger = logging.getLogger(__name__)


class NoListing(Refusal):
    code = "no_listing"


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a payment, refund or dispute; amounts with their currency, or nothing.

    For `ledger_differs`, `theirs` is what the ledger says.
    """

    kind: str
    what: str
    reference: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One day of one processor; `compared` counts what either side has of it."""

    processor: str
    day: date
    compared: int
    differences: list[Difference]


def reconcile_day(
    *, processor: PaymentProcessor, day: date, connect: Connect = connect
) -> Comparison:
    """Compare a day of UTC; stores nothing. Raises NoListing, Unreachable."""
    lister = _lister(processor, connect)
    if lister is None:
        raise NoListing(f"{processor} has no list to compare with.")
    starts_at = datetime.combine(day, time.min, UTC)
    ends_at = starts_at + DAY
    theirs = _by_key(lister.account_movements(starts_at, ends_at))
    ours = booked_of(
        processor.code, [key.reference for key in theirs], starts_at, ends_at
    )
    learned = {
        key
        for key, booked in ours.items()
        if booked.at and starts_at <= booked.at < ends_at
    }
    around = dict(theirs)
    if learned - theirs.keys():
        near = _by_key(lister.account_movements(starts_at - BEFORE, ends_at + AFTER))
        around = {**near, **theirs}
    keys = theirs.keys() | learned
    differences = [
        one
        for key in sorted(keys)
        for one in _differences(key, ours.get(key), around.get(key))
    ]
    concerned = {key: ours[key] for key in keys if key in ours}
    differences += _ledger(processor.code, concerned, starts_at, ends_at)
    return Comparison(processor.code, day, len(keys), differences)


def reconcile_due(*, now: datetime, connect: Connect = connect) -> None:
    """Compare every day of UTC that is over and was not compared, oldest first.

    For each processor that lists its movements, from the day it was added on; after a
    longer outage only the last CHARGES["RECONCILE_DAYS"]. Each day is published once, and
    differences are logged. A processor that cannot be asked is asked for the same day the
    next time and holds up no other; an error of ours is raised after the others. Safe to
    run twice, and at once.
    """
    errors: list[Exception] = []
    for processor in PaymentProcessor.objects.order_by("code"):
        try:
            _reconcile_missed_days(processor, now, connect)
        except Unreachable as error:
            logger.warning("%s cannot be asked: %s", processor, error)
        except Exception as error:
            logger.exception("%s cannot be compared", processor)
            errors.append(error)
    if errors:
        raise ExceptionGroup("Some processors were not compared.", errors)


def _reconcile_missed_days(
    processor: PaymentProcessor, now: datetime, connect: Connect
) -> None:
    if _lister(processor, connect) is None:
        return
    for day in _missed_days(processor, now):
        comparison = reconcile_day(processor=processor, day=day, connect=connect)
        for difference in comparison.differences:
            logger.error("%s of %s: %s", processor, day, difference)
        _record(processor, comparison, now)


def _missed_days(processor: PaymentProcessor, now: datetime) -> list[date]:
    """The days that are over and not compared, oldest first; at most so many."""
    today = now.astimezone(UTC).date()
    compared = processor.reconciled_through
    first = compared + DAY if compared else processor.added_at.astimezone(UTC).date()
    oldest = today - DAY * settings.CHARGES["RECONCILE_DAYS"]
    if first < oldest:
        logger.error(
            "%s: the days from %s to %s are not compared any more;"
            " compare them with reconcile_payments.",
            processor, first, oldest - DAY,
        )  # fmt: skip
        first = oldest
    return [first + DAY * n for n in range((today - first).days)]


def _lister(processor: PaymentProcessor, connect: Connect) -> SupportsHistory | None:
    try:
        connected = connect(processor)
    except InvalidToken as error:
        raise Unreachable("its secret cannot be read with our keys") from error
    return connected if isinstance(connected, SupportsHistory) else None


def _by_key(moves: Iterable[AccountMovement]) -> dict[Key, Booked]:
    sums: dict[Key, Booked] = {}
    for one in moves:
        key = Key(one.kind, one.reference, one.amount > 0)
        amount = one.amount + (sums[key].amount if key in sums else 0)
        sums[key] = Booked(amount, one.currency, one.at)
    return sums


def _differences(
    key: Key, ours: Booked | None, theirs: Booked | None
) -> Iterator[Difference]:
    kind = ""
    if ours is None:
        kind = "missing_here"
    elif theirs is None:
        kind = "missing_there"
    elif ours.currency != theirs.currency:
        kind = "currency_differs"
    elif ours.amount != theirs.amount:
        kind = "amount_differs"
    if kind:
        yield Difference(kind, key.kind, key.reference, _said(ours), _said(theirs))


def _ledger(
    code: str, ours: dict[Key, Booked], starts_at: datetime, ends_at: datetime
) -> list[Difference]:
    """What we have booked of facts, against what the ledger says of the cash."""
    facts = {
        fact: (key, amount)
        for key, booked in ours.items()
        for fact, amount in booked.facts.items()
    }
    cash = cash_of(code, facts, starts_at, ends_at)
    differences = []
    for fact in sorted(facts.keys() | cash.keys()):
        key, amount = facts.get(fact, (Key(fact[0], str(fact[1]), True), None))  # noqa: FBT003
        if cash.get(fact) != amount:
            says = _plain(cash.get(fact))
            differences.append(
                Difference(
                    "ledger_differs", key.kind, key.reference, _plain(amount), says
                )
            )
    return differences


def _said(booked: Booked | None) -> str:
    return f"{plain(booked.amount)} {booked.currency}" if booked else ""


def _plain(amount: Decimal | None) -> str:
    return "" if amount is None else plain(amount)


def _record(processor: PaymentProcessor, comparison: Comparison, now: datetime) -> None:
    """Publish a comparison and move the mark, unless another sweep has done so."""
    day = comparison.day
    payload = {
        "processor": comparison.processor,
        "day": day.isoformat(),
        "compared": comparison.compared,
        "differences": len(comparison.differences),
    }
    kind = DIFFER if comparison.differences else EQUAL
    subject = f"reconciliation:{comparison.processor}:{day}"
    with transaction.atomic():
        earlier = Q(reconciled_through=None) | Q(reconciled_through__lt=day)
        rows = PaymentProcessor.objects.filter(earlier, pk=processor.pk)
        if rows.update(reconciled_through=day):
            publish([NewEvent(PLATFORM, kind, subject, payload)], now=now)
