"""Ingestion of usage events, thousands at once, each counted at most once."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from psycopg.errors import CheckViolation

from billing.metering.domain.events import IncomingEvent, IngestResult
from billing.metering.queries.batch_context import BatchContext, read_batch_context
from billing.metering.services.decisions import Sender, decide_batch
from billing.metering.services.partitions import ensure_partitions
from billing.metering.services.quarantine import quarantine_events
from billing.metering.services.storage import (
    Batch,
    ConcurrentWrite,
    new_ids,
    store_batch,
)
from billing.metering.services.validation import CheckedEvent, check_event
from core.errors import Refusal
from seats.cutoffs.services import stamp_facts

TRIES = 20


class TooBusy(Refusal):
    """Other requests are sending or superseding the same events.

    Send the events again; none of them was counted.
    """

    code = "too_busy"


def ingest_events(
    events: Sequence[IncomingEvent],
    *,
    owner: int,
    now: datetime,
    allowed_agency_ids: Collection[int] | None = None,
    quarantining: bool = True,
) -> list[IngestResult]:
    """Store events and their daily totals; returns the result of each, in order.

    An event is identified by (owner, source, id) and counted once: sent again it is a
    duplicate, sent with other content it is rejected as a conflict. Conflicts and
    events with an unknown agency or agent go to quarantine, unless `quarantining` is
    off. An event that supersedes another one reverses it, once, in whichever order
    they arrive. A batch has the same effect as its events sent one by one, and a bad
    event does not affect the others. Repeating the call is safe. Agencies outside
    `allowed_agency_ids` (None: no limit) are treated as unknown. Meant for up to 10,000
    events. Raises TooBusy.
    """
    if not events:
        return []
    try:
        results, context = _ingest(events, owner, now, allowed_agency_ids)
    except (IntegrityError, CheckViolation) as error:
        if not _is_archived_month(error):
            raise
        # The new context has the archived month, so its events are rejected.
        results, context = _ingest(events, owner, now, allowed_agency_ids)
    if quarantining:
        quarantine_events(events, results, owner=owner, context=context)
    return [results[n] for n in range(len(events))]


def _is_archived_month(error: Exception) -> bool:
    """Whether a month was archived after its events were checked."""
    cause = error.__cause__ or error  # COPY raises the driver's error
    return isinstance(cause, CheckViolation) and cause.diag.constraint_name in {
        None,  # no partition
        "usage_month_is_archived",
    }


def _ingest(
    events: Sequence[IncomingEvent],
    owner: int,
    now: datetime,
    allowed_agency_ids: Collection[int] | None,
) -> tuple[dict[int, IngestResult], BatchContext]:
    """The result of each event by position, and the context of the batch."""
    context = read_batch_context(events, now=now, allowed_agency_ids=allowed_agency_ids)
    sender = Sender(owner, context, allowed_agency_ids)
    rejections: dict[int, IngestResult] = {}
    checked: dict[int, CheckedEvent] = {}
    for n, event in enumerate(events):
        outcome = check_event(event, owner, context)
        if isinstance(outcome, CheckedEvent):
            checked[n] = outcome
        else:
            rejections[n] = outcome
    return rejections | _count(checked, sender), context


def _count(
    checked: Mapping[int, CheckedEvent], sender: Sender
) -> dict[int, IngestResult]:
    """Count events; returns the result of each by position. Raises TooBusy."""
    for attempt in range(TRIES):
        try:
            return _try_to_count(checked, sender, read_all_keys=attempt > 0)
        except ConcurrentWrite:
            continue
    raise TooBusy(
        f"The {len(checked)} events were not counted, because other requests send or"
        " supersede the same events at the same time. Send them again."
    )


def _try_to_count(
    checked: Mapping[int, CheckedEvent], sender: Sender, *, read_all_keys: bool
) -> dict[int, IngestResult]:
    """Raises ConcurrentWrite."""
    ids = new_ids(len(checked))
    decision = decide_batch(checked, sender, ids, read_all_keys=read_all_keys)
    if decision.new_events:
        batch = Batch(
            owner=sender.owner,
            received_at=sender.context.now,
            new_events=decision.new_events,
            waiting_keys=decision.waiting_keys,
            reversals=sorted(decision.reversals, key=lambda row: row.event_id),
        )
        ensure_partitions({event.used_on for event in decision.new_events.values()})
        with transaction.atomic():
            store_batch(batch, stamp_facts(batch.agency_ids()), ids)
    return decision.results
