"""Decides each event of a batch in the order sent: accepted, duplicate or rejected.

A batch has the same effect as its events sent one by one: each is decided by what is in
the database and by the events before it in the batch. Nothing is written here.

An event is superseded once. If it has not arrived yet, its key waits for it; when it
arrives, it is counted under another key (`arrival_key`) and reversed at once, and so is
the event that it supersedes itself. So the usage days do not depend on the order in
which events arrive.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from billing.metering.domain.events import (
    ACCEPTED,
    DUPLICATE,
    EventToReverse,
    IngestResult,
    arrival_key,
    event_key,
    rejected,
)
from billing.metering.queries.batch_context import BatchContext
from billing.metering.queries.event_keys import ReversibleEvent, read_counted, read_keys
from billing.metering.services.validation import CheckedEvent
from core.parsing.values import shown

FURTHEST_ZONES = timedelta(hours=26)
QUARTER_HOUR = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Sender:
    """The owner of a batch, its context, and the agencies it may name (None: all)."""

    owner: int
    context: BatchContext
    allowed_agency_ids: Collection[int] | None


@dataclass(slots=True)
class BatchDecision:
    """The result of each event by position, and the rows to write.

    `new_events` has the events to count by their new ids. `waiting_keys` maps the key
    of each superseded event that has not arrived to the key of its correction.
    """

    results: dict[int, IngestResult] = field(default_factory=dict)
    new_events: dict[int, CheckedEvent] = field(default_factory=dict)
    waiting_keys: dict[str, str] = field(default_factory=dict)
    reversals: list[EventToReverse] = field(default_factory=list)


def decide_batch(
    checked: Mapping[int, CheckedEvent],
    sender: Sender,
    ids: Iterator[int],
    *,
    read_all_keys: bool,
) -> BatchDecision:
    """Decide events by position, in order; new events take their ids from `ids`.

    Unless `read_all_keys`, the keys of plain events are assumed to be new: writing them
    fails if they are not, and the caller decides the batch once more with all keys read.
    """
    batch = _BatchState(checked, sender, ids, read_all_keys=read_all_keys)
    for n, event in checked.items():
        batch.decision.results[n] = batch.decide(n, event)
    return batch.decision


class _BatchState:
    """The state of all keys involved, after each event of the batch."""

    def __init__(
        self,
        checked: Mapping[int, CheckedEvent],
        sender: Sender,
        ids: Iterator[int],
        *,
        read_all_keys: bool,
    ) -> None:
        self.decision = BatchDecision()
        self._sender = sender
        self._ids = ids
        self._contents: dict[str, str] = {}  # of counted events, by key
        self._waiting: set[str] = set()
        self._ids_by_key: dict[str, int] = {}  # of this batch's events
        self._superseded: set[str] = set()  # by this batch's events
        self._superseded_keys = {
            n: event_key(sender.owner, event.event.source, event.event.supersedes)
            for n, event in checked.items()
            if event.event.supersedes is not None
        }
        keys = {
            event.key
            for n, event in checked.items()
            if read_all_keys or event.too_old or n in self._superseded_keys
        }
        self._read(keys)
        # An event whose key waits for it is counted under another key.
        self._read({arrival_key(key) for key in self._waiting & keys})
        self._counted: dict[str, ReversibleEvent] = read_counted(
            self._contents.keys() & set(self._superseded_keys.values())
        )
        self._same_rows = self._find_same_rows(checked)

    def _find_same_rows(self, checked: Mapping[int, CheckedEvent]) -> set[int]:
        """The legs that were counted before, understood differently or by another id.

        It is the same row of a file if quantity and time are equal.
        """
        keys: dict[int, list[str]] = {}
        for n, event in checked.items():
            if event.event.is_leg:
                several = [
                    event_key(self._sender.owner, event.event.source, former)
                    for former in event.event.former_ids
                ]
                if self._contents and self._is_counted_otherwise(event):
                    several.append(event.key)
                if several:
                    keys[n] = several
        counted = read_counted({key for several in keys.values() for key in several})
        return {
            n
            for n, several in keys.items()
            if any(
                key in counted and _is_same_row(counted[key], checked[n])
                for key in several
            )
        }

    def _is_counted_otherwise(self, event: CheckedEvent) -> bool:
        return self._contents.get(event.key, event.content) != event.content

    def _read(self, keys: set[str]) -> None:
        for stored in read_keys(keys | set(self._superseded_keys.values())):
            if stored.waiting:
                self._waiting.add(stored.key)
            else:
                self._contents[stored.key] = stored.content

    def decide(self, n: int, event: CheckedEvent) -> IngestResult:
        """The result of the next event; records the rows that it needs."""
        key, is_awaited = event.key, event.key in self._waiting
        if is_awaited:
            key = arrival_key(key)
        content = self._contents.get(key)
        if n in self._same_rows:
            return DUPLICATE
        if content is not None:
            return DUPLICATE if content == event.content else _conflict(event)
        if event.too_old:
            return _too_old(event)
        superseded_key = self._superseded_keys.get(n)
        if superseded_key and (
            rejection := self._check_superseded(superseded_key, event)
        ):
            return rejection
        event_id = next(self._ids)
        self._contents[key] = event.content
        if superseded_key:
            self._supersede(superseded_key, by=event.key)
        if is_awaited:
            self.decision.new_events[event_id] = replace(event, key=key)
            self.decision.reversals.append(self._reversal_of(event_id, event))
        else:
            self.decision.new_events[event_id] = event
            self._ids_by_key[key] = event_id
        return ACCEPTED

    def _check_superseded(self, key: str, event: CheckedEvent) -> IngestResult | None:
        """The rejection of an event whose superseded event cannot be reversed."""
        if key in self._waiting or key in self._superseded:
            return _superseded_already(event)
        counted = self._counted.get(key)
        if counted is None:
            return None
        reversal = counted.reversal
        allowed = self._sender.allowed_agency_ids
        if reversal and allowed is not None and reversal.agency_id not in allowed:
            return _unknown_event(event)
        if counted.reversed:
            return _superseded_already(event)
        if reversal is None or self._sender.context.too_old(
            counted.agency, reversal.used_on
        ):
            return _superseded_too_old(event)
        return None

    def _supersede(self, key: str, *, by: str) -> None:
        """Reverse a counted event, or let its key wait for it."""
        self._superseded.add(key)
        event_id = self._ids_by_key.get(key)
        if event_id is not None:
            reversal = self._reversal_of(event_id, self.decision.new_events[event_id])
            self.decision.reversals.append(reversal)
        elif counted := self._counted.get(key):
            assert counted.reversal
            self.decision.reversals.append(counted.reversal)
        else:
            self._waiting.add(key)
            self.decision.waiting_keys[key] = by

    def _reversal_of(self, event_id: int, event: CheckedEvent) -> EventToReverse:
        """The reversal of an event that this batch counts."""
        return EventToReverse(
            event_id=event_id,
            used_on=event.used_on,
            agency_id=event.attribution.agency.id,
            agent_id=event.attribution.agent_id,
            meter_id=event.attribution.meter_id,
            breakdown=event.breakdown,
            owner=self._sender.owner,
            source=event.event.source,
            external_id=event.event.id,
            occurred_at=event.occurred_at,
            raw=event.event.quantity,
            billable=event.billable,
        )


def _is_same_row(counted: ReversibleEvent, event: CheckedEvent) -> bool:
    """Whether a counted event is the same row of a file, however it was read.

    A time without a zone may have been read in another zone. An archived event cannot be
    compared; its id is enough.
    """
    reversal = counted.reversal
    if reversal is None:
        return True
    apart = abs(datetime.fromisoformat(reversal.occurred_at) - event.event.occurred_at)
    return (
        reversal.raw == event.event.quantity
        and apart <= FURTHEST_ZONES
        and not apart % QUARTER_HOUR
    )


def _conflict(event: CheckedEvent) -> IngestResult:
    message = (
        f"The event {shown(event.event.id)} was already counted with different content."
        " To correct it, send an event with a new id that names it in `supersedes`."
    )
    return rejected("conflict", "id", message)


def _too_old(event: CheckedEvent) -> IngestResult:
    message = (
        f"The local date {event.used_on} is in a month that is closed and no longer"
        " accepts late events."
    )
    return rejected("too_old", "occurred_at", message)


def _superseded_already(event: CheckedEvent) -> IngestResult:
    message = (
        f"The event {_superseded_id(event)} was already superseded. Supersede the event"
        " that replaced it."
    )
    return rejected("superseded_already", "supersedes", message)


def _unknown_event(event: CheckedEvent) -> IngestResult:
    message = f"There is no event {_superseded_id(event)} that this key can supersede."
    return rejected("unknown_event", "supersedes", message)


def _superseded_too_old(event: CheckedEvent) -> IngestResult:
    message = (
        f"The event {_superseded_id(event)} is in a month that is closed and no longer"
        " accepts corrections."
    )
    return rejected("too_old", "supersedes", message)


def _superseded_id(event: CheckedEvent) -> str:
    return shown(event.event.supersedes or "")
