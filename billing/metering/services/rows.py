"""Counts the rows of a file: events, legs of calls, and what is no usage."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

from billing.metering.domain.conversations import Verdict
from billing.metering.domain.events import IncomingEvent, IngestResult
from billing.metering.domain.formats.rows import Row
from billing.metering.domain.outcomes import (
    REJECTED,
    SKIPPED,
    UNREAD,
    WAITING,
    RowOutcome,
)
from billing.metering.services.conversations import DecidedBatch, decide_legs
from billing.metering.services.ingest import ingest_events
from seats.models import Agency


def count_rows(
    rows: Sequence[Row],
    *,
    agency: Agency,
    source: str,
    has_former_ids: bool,
    allowed_agency_ids: Collection[int],
    now: datetime,
) -> tuple[list[RowOutcome], Decimal]:
    """Count rows of an agency's file; what came of each, in order.

    Also the seconds that earlier legs count more, or less, because of these rows. Must
    be called in a transaction; repeating is safe. `has_former_ids`: rows of such files
    may have been counted under other ids. Raises TooBusy.
    """
    legs = [row.leg for row in rows if row.leg]
    batch = decide_legs(legs, agency=agency, source=source)
    events = {
        n: event
        for n, row in enumerate(rows)
        if (event := _event_of(row, batch, has_former_ids=has_former_ids))
    }
    results = ingest_events(
        [*events.values(), *batch.corrections.values()],
        owner=agency.pk,
        now=now,
        allowed_agency_ids=allowed_agency_ids,
    )
    by_row = dict(zip(events, results, strict=False))
    corrected = batch.store(
        legs,
        {
            row.leg.id: by_row[n]
            for n, row in enumerate(rows)
            if row.leg and row.leg.conversation and n in by_row
        },
        dict(zip(batch.corrections, results[len(events) :], strict=True)),
        now=now,
    )
    outcomes = [_outcome(row, by_row.get(n), batch) for n, row in enumerate(rows)]
    return outcomes, corrected


def _event_of(
    row: Row, batch: DecidedBatch, *, has_former_ids: bool
) -> IncomingEvent | None:
    if row.leg is None:
        return row.event
    return batch.event_of(row.leg, has_former_ids=has_former_ids)


def _outcome(row: Row, result: IngestResult | None, batch: DecidedBatch) -> RowOutcome:
    if row.rejection:
        return RowOutcome(row, UNREAD if row.unread else REJECTED, row.rejection)
    if result:
        return RowOutcome(row, result.status, result)
    if row.leg is None:
        return RowOutcome(row, SKIPPED, reason=row.skip_reason)
    decision = batch.decisions[row.leg.id]
    kind = WAITING if decision.verdict is Verdict.WAITS else SKIPPED
    return RowOutcome(row, kind, reason=decision.reason)
