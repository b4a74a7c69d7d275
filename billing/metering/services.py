"""Taking in usage events: thousands at once, each counted once for ever."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from django.db import IntegrityError, transaction
from psycopg.errors import CheckViolation

from billing.metering.corrections import Resolved, resolve_corrections
from billing.metering.events import (
    ACCEPTED,
    DUPLICATE,
    IncomingEvent,
    Verdict,
    arrival_key,
    rejected,
)
from billing.metering.keys import CONFLICT, SAME, WAITED, told_before
from billing.metering.known import Known, read_known
from billing.metering.partitions import ensure_partitions
from billing.metering.quarantine import keep_in_quarantine
from billing.metering.storing import Batch, Raced, new_ids, store_batch
from billing.metering.validation import Checked, check_event
from seats.cutoffs.services import stamp_facts
from seats.errors import Refusal

TRIES = 20
CONFLICTING = rejected("conflict", "id", "This id was counted with another content.")
TOLD_TWICE = rejected("conflict", "id", "This id was told twice at once, differently.")


class TooBusy(Refusal):
    code = "too_busy"


@dataclass(frozen=True, slots=True)
class Teller:
    """Who tells the events of a batch, what is known, and which agencies it reaches."""

    owner: int
    known: Known
    within: Collection[int] | None


def ingest_events(
    events: Sequence[IncomingEvent],
    *,
    owner: int,
    now: datetime,
    within: Collection[int] | None = None,
    quarantining: bool = True,
) -> list[Verdict]:
    """Store events and their daily totals; a verdict for each.

    An event is counted once for ever per (owner, source, id): told again it is a
    duplicate, told differently it is rejected as a conflict. Conflicts, and events
    that name an unknown agency or agent, are kept in quarantine, unless they come from
    there (not `quarantining`). One that supersedes another takes it back, once,
    whichever comes first. One bad event never costs a good one. Repeating is harmless.
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
) -> tuple[dict[int, Verdict], Known]:
    """A verdict for each, by position, and what was known of the names they use."""
    teller = Teller(owner, read_known(events, now=now, within=within), within)
    results = [check_event(event, owner, teller.known) for event in events]
    verdicts = {n: one for n, one in enumerate(results) if isinstance(one, Verdict)}
    checked = {n: one for n, one in enumerate(results) if isinstance(one, Checked)}
    told, waited = _count(checked, teller)
    verdicts |= told
    if waited:
        verdicts |= _count(waited, teller, arrivals=True)[0]
    return verdicts, teller.known


def _count(
    checked: Mapping[int, Checked], teller: Teller, *, arrivals: bool = False
) -> tuple[dict[int, Verdict], dict[int, Checked]]:
    """Count events once; a verdict for each, and those whose key waited for them.

    `arrivals` are such events. Raises TooBusy.
    """
    for _ in range(TRIES):
        try:
            return _try_to_count(checked, teller, arrivals=arrivals)
        except Raced:
            continue
    raise TooBusy("Others tell and supersede the same events; send them again.")


def _try_to_count(
    checked: Mapping[int, Checked], teller: Teller, *, arrivals: bool
) -> tuple[dict[int, Verdict], dict[int, Checked]]:
    """Raises Raced."""
    verdicts: dict[int, Verdict] = {}
    first = _first_of_each_key(checked)
    ids = new_ids(len(first))
    positions = dict(zip(islice(ids, len(first)), first, strict=True))
    fresh = {event_id: checked[n] for event_id, n in positions.items()}
    resolved = resolve_corrections(
        fresh,
        owner=teller.owner,
        known=teller.known,
        within=teller.within,
        arrivals=arrivals,
    )
    refused: dict[tuple[str, str], Verdict] = {}
    for event_id, refusal in resolved.refused.items():
        one = fresh.pop(event_id)
        verdicts[positions[event_id]] = refused[one.key, one.content] = refusal
    ensure_partitions({one.used_on for one in fresh.values()})
    with transaction.atomic():
        if fresh:
            batch = _batch(fresh, resolved, teller, arrivals=arrivals)
            for event_id in store_batch(batch, stamp_facts(batch.agency_ids()), ids):
                verdicts[positions[event_id]] = ACCEPTED
        lost = {n: one for n, one in checked.items() if n not in verdicts}
        before = told_before(
            {n: (_key(one, arrivals=arrivals), one.content) for n, one in lost.items()}
        )
    waited = {
        n: lost[n]
        for n, said in before.items()
        if said == WAITED and not lost[n].too_old
    }
    for n in lost.keys() - waited.keys():
        verdicts[n] = _verdict_of_lost(lost[n], before.get(n), refused)
    return verdicts, waited


def _first_of_each_key(checked: Mapping[int, Checked]) -> list[int]:
    """Of events with one key the first that is not too old to be counted."""
    first: dict[str, int] = {}
    for n, one in checked.items():
        if not one.too_old:
            first.setdefault(one.key, n)
    return [*first.values()]


def _key(one: Checked, *, arrivals: bool) -> str:
    return arrival_key(one.key) if arrivals else one.key


def _batch(
    fresh: Mapping[int, Checked], resolved: Resolved, teller: Teller, *, arrivals: bool
) -> Batch:
    if arrivals:
        fresh = {n: replace(one, key=arrival_key(one.key)) for n, one in fresh.items()}
    return Batch(
        owner=teller.owner,
        received_at=teller.known.now,
        fresh=fresh,
        waiting=resolved.waiting,
        reversals=sorted(resolved.reversals, key=lambda one: one.event_id),
        own=frozenset(resolved.own),
    )


def _verdict_of_lost(
    one: Checked, before: str | None, refused: Mapping[tuple[str, str], Verdict]
) -> Verdict:
    """Of an event whose key was not its own to take, by what that says.

    `refused` are, by key and content, those that came first and are not counted.
    """
    if before == SAME:
        return DUPLICATE
    if before == CONFLICT:
        return CONFLICTING
    if one.too_old:
        return rejected("too_old", "occurred_at", f"{one.used_on} is closed for good.")
    return refused.get((one.key, one.content), TOLD_TWICE)
