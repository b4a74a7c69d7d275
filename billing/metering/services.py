"""Taking in usage events: thousands at once, each counted once for ever."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction
from psycopg.errors import CheckViolation

from billing.metering.corrections import Sender, decide_batch
from billing.metering.events import IncomingEvent, IngestResult
from billing.metering.known import BatchContext, read_batch_context
from billing.metering.partitions import ensure_partitions
from billing.metering.quarantine import keep_in_quarantine
from billing.metering.storing import Batch, ConcurrentWrite, new_ids, store_batch
from billing.metering.validation import CheckedEvent, check_event
from seats.cutoffs.services import stamp_facts
from seats.errors import Refusal

TRIES = 20


class TooBusy(Refusal):
    code = "too_busy"


def ingest_events(
    events: Sequence[IncomingEvent],
    *,
    owner: int,
    now: datetime,
    within: Collection[int] | None = None,
    quarantining: bool = True,
) -> list[IngestResult]:
    """Store events and their daily totals; a verdict for each.

    An event is counted once for ever per (owner, source, id): told again it is a
    duplicate, told differently it is rejected as a conflict. Conflicts, and events
    that name an unknown agency or agent, are kept in quarantine, unless they come from
    there (not `quarantining`). One that supersedes another takes it back, once,
    whichever comes first. Events sent in one call come to the same as sent one by one
    in their order. One bad event never costs a good one. Repeating is harmless.
    Agencies that are not `within` these ids are unknown; None: all are known. Meant
    for up to 10,000 events. Raises TooBusy.
    """
    if not events:
        return []
    try:
        verdicts, known = _ingest(events, owner, now, within)
    except (IntegrityError, CheckViolation) as error:
        if not _month_left(error):
            raise
        verdicts, known = _ingest(events, owner, now, within)  # knows of it, refuses
    if quarantining:
        keep_in_quarantine(events, verdicts, owner=owner, known=known)
    return [verdicts[n] for n in range(len(events))]


def _month_left(error: Exception) -> bool:
    """Whether a month was archived between looking and writing."""
    cause = error.__cause__ or error  # a COPY raises the driver's own
    return isinstance(cause, CheckViolation) and cause.diag.constraint_name in {
        None,  # no partition
        "usage_month_is_archived",
    }


def _ingest(
    events: Sequence[IncomingEvent],
    owner: int,
    now: datetime,
    within: Collection[int] | None,
) -> tuple[dict[int, IngestResult], BatchContext]:
    """A verdict for each, by position, and what was known of the names they use."""
    sender = Sender(owner, read_batch_context(events, now=now, within=within), within)
    results = [check_event(event, owner, sender.known) for event in events]
    verdicts = {
        n: one for n, one in enumerate(results) if isinstance(one, IngestResult)
    }
    checked = {n: one for n, one in enumerate(results) if isinstance(one, CheckedEvent)}
    return verdicts | _count(checked, sender), sender.known


def _count(
    checked: Mapping[int, CheckedEvent], sender: Sender
) -> dict[int, IngestResult]:
    """Count events once; a verdict for each. Raises TooBusy."""
    for attempt in range(TRIES):
        try:
            return _try_to_count(checked, sender, everything=attempt > 0)
        except ConcurrentWrite:
            continue
    raise TooBusy("Others send and supersede the same events; send them again.")


def _try_to_count(
    checked: Mapping[int, CheckedEvent], sender: Sender, *, everything: bool
) -> dict[int, IngestResult]:
    """Raises ConcurrentWrite."""
    ids = new_ids(len(checked))
    decided = decide_batch(checked, sender, ids, everything=everything)
    if decided.fresh:
        batch = Batch(
            owner=sender.owner,
            received_at=sender.known.now,
            fresh=decided.fresh,
            waiting=decided.waiting,
            reversals=sorted(decided.reversals, key=lambda item: item.event_id),
        )
        ensure_partitions({item.used_on for item in decided.fresh.values()})
        with transaction.atomic():
            store_batch(batch, stamp_facts(batch.agency_ids()), ids)
    return decided.verdicts
