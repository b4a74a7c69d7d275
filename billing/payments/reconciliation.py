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
from django.db import transaction

from billing.money import plain
from billing.payments.models import PaymentProcessor
from billing.payments.processors.port import Lister, Moved, Unreachable
from billing.payments.queries.cash import Booked, Key, booked_of, cash_of
from billing.payments.services.calling import Connect
from billing.payments.services.connecting import connect
from billing.webhooks.models import OutboxEvent
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
    theirs = _by_key(lister.moved(starts_at, ends_at))
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
        near = _by_key(lister.moved(starts_at - BEFORE, ends_at + AFTER))
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
    """Compare yesterday for each processor that lists, once; say and log what differs.

    Where one cannot be asked, it is tried again the next time.
    """
    day = now.astimezone(UTC).date() - DAY
    for processor in PaymentProcessor.objects.order_by("code"):
        try:
            if _lister(processor, connect) is None or _is_told(processor, day):
                continue
            found = reconcile_day(processor=processor, day=day, connect=connect)
        except Unreachable as error:
            logger.warning("%s cannot be asked: %s", processor, error)
            continue
        for one in found.differences:
            logger.error("%s of %s: %s", processor, day, one)
        _tell(found, now)


def _lister(processor: PaymentProcessor, connect: Connect) -> Lister | None:
    try:
        connected = connect(processor)
    except InvalidToken as error:
        raise Unreachable("its secret cannot be read with our keys") from error
    return connected if isinstance(connected, Lister) else None


def _by_key(moves: Iterable[Moved]) -> dict[Key, Booked]:
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


def _subject(code: str, day: date) -> str:
    return f"reconciliation:{code}:{day}"


def _is_told(processor: PaymentProcessor, day: date) -> bool:
    events = OutboxEvent.objects.filter(stream__agency=None)
    subject = _subject(processor.code, day)
    return events.filter(type__in=[EQUAL, DIFFER], subject=subject).exists()


def _tell(found: Comparison, now: datetime) -> None:
    payload = {
        "processor": found.processor,
        "day": found.day.isoformat(),
        "compared": found.compared,
        "differences": len(found.differences),
    }
    kind = DIFFER if found.differences else EQUAL
    subject = _subject(found.processor, found.day)
    with transaction.atomic():
        publish([NewEvent(PLATFORM, kind, subject, payload)], now=now)
