"""Reconciliation: a processor's list of a day against our records and ledger cash.

A processor lists money when it moves; we record it when an event arrives, at any time.
What is recorded on a day must be listed within some days. Amounts are matched by reference.
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

from billing.collection.domain.webhook_events import PaymentsDiffer, PaymentsReconciled
from billing.collection.queries.cash import (
    BookedAmount,
    MovementKey,
    booked_amounts,
    cash_entries,
)  # fmt: skip
from billing.collection.services.dispatch import Connect
from billing.processors.domain.port import AccountMovement, SupportsHistory, Unreachable
from billing.processors.models import PaymentProcessor
from billing.processors.services.registry import connect
from billing.webhooks.services.outbox import PLATFORM, publish
from core.errors import Refusal
from core.money import plain
from core.periods import DAY

BEFORE, AFTER = timedelta(days=7), timedelta(days=1)  # around a day in the list
RECONCILED, DIFFERS = "payments.reconciled", "payments.differ"
logger = logging.getLogger(__name__)


class NoListing(Refusal):
    """The processor does not list its movements, so it cannot be reconciled.

    Use a Stripe processor.
    """

    code = "no_listing"


@dataclass(frozen=True, slots=True)
class ProcessorDifference:
    """A difference of a payment, refund or dispute.

    `recorded` is our amount and `reported` the processor's (the ledger's, for
    `ledger_differs`), with their currency; empty if that side has none.
    """

    kind: str
    object_type: str
    reference: str
    recorded: str
    reported: str


@dataclass(frozen=True, slots=True)
class ProcessorComparison:
    """A UTC day of a processor; `compared` counts the movements of either side."""

    processor: str
    day: date
    compared: int
    differences: list[ProcessorDifference]


def reconcile_day(
    *, processor: PaymentProcessor, day: date, connect: Connect = connect
) -> ProcessorComparison:
    """Compare a UTC day of a processor; stores nothing. Raises NoListing, Unreachable."""
    history = _history_of(processor, connect)
    if history is None:
        raise NoListing(
            f"Processor {processor} does not list its movements, so it cannot be"
            " reconciled. Use a Stripe processor."
        )
    starts_at = datetime.combine(day, time.min, UTC)
    ends_at = starts_at + DAY
    reported = _sum_by_key(history.account_movements(starts_at, ends_at))
    recorded = booked_amounts(
        processor.code, [key.reference for key in reported], starts_at, ends_at
    )
    recorded_keys = {
        key
        for key, booked in recorded.items()
        if booked.at and starts_at <= booked.at < ends_at
    }
    around = dict(reported)
    if recorded_keys - reported.keys():
        near = history.account_movements(starts_at - BEFORE, ends_at + AFTER)
        around = {**_sum_by_key(near), **reported}
    keys = reported.keys() | recorded_keys
    differences = [
        difference
        for key in sorted(keys)
        for difference in _compare_amounts(key, recorded.get(key), around.get(key))
    ]
    compared = {key: recorded[key] for key in keys if key in recorded}
    differences += _compare_ledger(processor.code, compared, starts_at, ends_at)
    return ProcessorComparison(processor.code, day, len(keys), differences)


def reconcile_due(*, now: datetime, connect: Connect = connect) -> None:
    """Compare every UTC day that is over and not yet compared, oldest first.

    This covers each processor that lists its movements, from the day it was added; after
    a longer outage only the last CHARGES["RECONCILE_DAYS"] days. Each day is published
    once, and differences are logged. A processor that cannot be reached is compared the
    next time and holds up no other; unexpected errors are raised after the others. Safe
    to run twice, and concurrently.
    """
    errors: list[Exception] = []
    for processor in PaymentProcessor.objects.order_by("code"):
        try:
            _reconcile_missed_days(processor, now, connect)
        except Unreachable as error:
            logger.warning(
                "The movements of processor %s cannot be listed: %s", processor, error
            )
        except Exception as error:
            logger.exception("Processor %s could not be reconciled.", processor)
            errors.append(error)
    if errors:
        raise ExceptionGroup("Some processors were not reconciled.", errors)


def _reconcile_missed_days(
    processor: PaymentProcessor, now: datetime, connect: Connect
) -> None:
    if _history_of(processor, connect) is None:
        return
    for day in _missed_days(processor, now):
        comparison = reconcile_day(processor=processor, day=day, connect=connect)
        for difference in comparison.differences:
            message = "Processor %s differs from our records on %s: %s"
            logger.error(message, processor, day, difference)
        _record_comparison(processor, comparison, now)


def _missed_days(processor: PaymentProcessor, now: datetime) -> list[date]:
    """The UTC days that are over and not compared, oldest first, within the limit."""
    today = now.astimezone(UTC).date()
    compared = processor.reconciled_through
    first = compared + DAY if compared else processor.added_at.astimezone(UTC).date()
    oldest = today - DAY * settings.CHARGES["RECONCILE_DAYS"]
    if first < oldest:
        logger.error(
            "Processor %s: the days from %s to %s are not reconciled automatically any"
            " more. Run reconcile_payments for each of them.",
            processor, first, oldest - DAY,
        )  # fmt: skip
        first = oldest
    return [first + DAY * n for n in range((today - first).days)]


def _history_of(
    processor: PaymentProcessor, connect: Connect
) -> SupportsHistory | None:
    try:
        connected = connect(processor)
    except InvalidToken as error:
        raise Unreachable("its stored secret cannot be decrypted") from error
    return connected if isinstance(connected, SupportsHistory) else None


def _sum_by_key(
    movements: Iterable[AccountMovement],
) -> dict[MovementKey, BookedAmount]:
    sums: dict[MovementKey, BookedAmount] = {}
    for move in movements:
        key = MovementKey(move.kind, move.reference, move.amount > 0)
        amount = move.amount + (sums[key].amount if key in sums else 0)
        sums[key] = BookedAmount(amount, move.currency, move.at)
    return sums


def _compare_amounts(
    key: MovementKey, recorded: BookedAmount | None, reported: BookedAmount | None
) -> Iterator[ProcessorDifference]:
    kind = ""
    if recorded is None:
        kind = "only_at_processor"
    elif reported is None:
        kind = "only_recorded"
    elif recorded.currency != reported.currency:
        kind = "currency_differs"
    elif recorded.amount != reported.amount:
        kind = "amount_differs"
    if kind:
        amounts = _amount_text(recorded), _amount_text(reported)
        yield ProcessorDifference(kind, key.kind, key.reference, *amounts)


def _compare_ledger(
    code: str,
    recorded: dict[MovementKey, BookedAmount],
    starts_at: datetime,
    ends_at: datetime,
) -> list[ProcessorDifference]:
    """Compare recorded amounts with the ledger's cash, fact by fact."""
    facts = {
        fact: (key, amount)
        for key, booked in recorded.items()
        for fact, amount in booked.facts.items()
    }
    cash = cash_entries(code, facts, starts_at, ends_at)
    differences = []
    for fact in sorted(facts.keys() | cash.keys()):
        key, amount = facts.get(fact, (MovementKey(fact[0], str(fact[1]), True), None))  # noqa: FBT003
        if cash.get(fact) != amount:
            amounts = _plain_or_empty(amount), _plain_or_empty(cash.get(fact))
            differences.append(
                ProcessorDifference("ledger_differs", key.kind, key.reference, *amounts)
            )
    return differences


def _amount_text(amount: BookedAmount | None) -> str:
    return f"{plain(amount.amount)} {amount.currency}" if amount else ""


def _plain_or_empty(amount: Decimal | None) -> str:
    return "" if amount is None else plain(amount)


def _record_comparison(
    processor: PaymentProcessor, comparison: ProcessorComparison, now: datetime
) -> None:
    """Publish a comparison and mark its day, unless another sweep has done so."""
    day = comparison.day
    event_type = PaymentsDiffer if comparison.differences else PaymentsReconciled
    event = event_type(
        agency_id=PLATFORM,
        subject=f"reconciliation:{comparison.processor}:{day}",
        processor=comparison.processor,
        day=day,
        compared=comparison.compared,
        differences=len(comparison.differences),
    )
    with transaction.atomic():
        earlier = Q(reconciled_through=None) | Q(reconciled_through__lt=day)
        rows = PaymentProcessor.objects.filter(earlier, pk=processor.pk)
        if rows.update(reconciled_through=day):
            publish(event, now=now)
