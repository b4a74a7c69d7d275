"""What a batch of events comes to, decided event by event in the order they were sent.

Sending events in one request comes to the same as sending them one by one: each is
decided by what is in the database and by what the events before it in the batch come
to. Nothing is written here.

An event is superseded once. If it has not come yet, its key waits for it; when it comes
it is counted under another key (`arrival_key`) and taken back at once, and so is what it
supersedes itself. So the days are the same in whatever order events come.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from billing.metering.events import (
    ACCEPTED,
    DUPLICATE,
    IngestResult,
    arrival_key,
    event_key,
    rejected,
)
from billing.metering.keys import ReversibleEvent, read_counted, read_keys
from billing.metering.known import BatchContext
from billing.metering.storing import Reversal
from billing.metering.validation import CheckedEvent

GONE = rejected("superseded_already", "supersedes", "It was superseded already.")
FAR = rejected("too_old", "supersedes", "It is of a month that is closed for good.")
UNKNOWN = rejected("unknown_event", "supersedes", "No such event.")
CONFLICT = rejected("conflict", "id", "This id was counted with another content.")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends the events of a batch, what is known, and which agencies it reaches."""

    owner: int
    known: BatchContext
    within: Collection[int] | None


@dataclass(slots=True)
class BatchDecision:
    """What is to be written, and the verdict of each event by its position.

    `fresh` are the events to be counted by their new ids; `waiting` the keys that wait
    for their event, each with the key of the event that superseded it.
    """

    verdicts: dict[int, IngestResult] = field(default_factory=dict)
    fresh: dict[int, CheckedEvent] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    reversals: list[Reversal] = field(default_factory=list)


def decide_batch(
    checked: Mapping[int, CheckedEvent],
    sender: Sender,
    ids: Iterator[int],
    *,
    everything: bool,
) -> BatchDecision:
    """Decide events by position, in order; the new ones take their ids from `ids`.

    Unless `everything` is looked up, keys of plain events are taken for new: writing
    them fails if they are not, and the batch is decided once more.
    """
    batch = _Batch(checked, sender, ids, everything=everything)
    for n, item in checked.items():
        batch.decided.verdicts[n] = batch.decide(n, item)
    return batch.decided


class _Batch:
    """The keys as they stand after each event of the batch."""

    def __init__(
        self,
        checked: Mapping[int, CheckedEvent],
        sender: Sender,
        ids: Iterator[int],
        *,
        everything: bool,
    ) -> None:
        self.decided = BatchDecision()
        self._sender = sender
        self._ids = ids
        self._contents: dict[str, str] = {}  # of the counted events, by key
        self._waiting: set[str] = set()
        self._ids_by_key: dict[str, int] = {}  # of this batch's events
        self._superseded: set[str] = set()  # by this batch's events
        self._victims = {
            n: event_key(sender.owner, item.event.source, item.event.supersedes)
            for n, item in checked.items()
            if item.event.supersedes is not None
        }
        own = {
            item.key
            for n, item in checked.items()
            if everything or item.too_old or n in self._victims
        }
        self._read(own)
        # An event that is waited for is counted under another key.
        self._read({arrival_key(key) for key in self._waiting & own})
        self._counted: dict[str, ReversibleEvent] = read_counted(
            self._contents.keys() & set(self._victims.values())
        )

    def _read(self, keys: set[str]) -> None:
        for kept in read_keys(keys | set(self._victims.values())):
            if kept.waiting:
                self._waiting.add(kept.key)
            else:
                self._contents[kept.key] = kept.content

    def decide(self, n: int, item: CheckedEvent) -> IngestResult:
        """What becomes of the next event."""
        key, is_awaited = item.key, item.key in self._waiting
        if is_awaited:
            key = arrival_key(key)
        content = self._contents.get(key)
        if content is not None:
            return DUPLICATE if content == item.content else CONFLICT
        if item.too_old:
            message = f"{item.used_on} is closed for good; it is too old to be counted."
            return rejected("too_old", "occurred_at", message)
        victim = self._victims.get(n)
        if victim and (problem := self._problem(victim)):
            return problem
        event_id = next(self._ids)
        self._contents[key] = item.content
        if victim:
            self._take_back(victim, by=item.key)
        if is_awaited:
            self.decided.fresh[event_id] = replace(item, key=key)
            self.decided.reversals.append(self._reversal_of(event_id, item))
        else:
            self.decided.fresh[event_id] = item
            self._ids_by_key[key] = event_id
        return ACCEPTED

    def _problem(self, victim: str) -> IngestResult | None:
        """Why an event cannot be superseded, if so."""
        if victim in self._waiting or victim in self._superseded:
            return GONE
        counted = self._counted.get(victim)
        if counted is None:
            return None
        event, within = counted.event, self._sender.within
        if event and within is not None and event.agency_id not in within:
            return UNKNOWN
        if counted.reversed:
            return GONE
        if event is None or self._sender.known.too_old(counted.agency, event.used_on):
            return FAR
        return None

    def _take_back(self, victim: str, *, by: str) -> None:
        """Take back a counted event, or have its key wait for it."""
        self._superseded.add(victim)
        event_id = self._ids_by_key.get(victim)
        if event_id is not None:
            taken_back = self._reversal_of(event_id, self.decided.fresh[event_id])
            self.decided.reversals.append(taken_back)
        elif counted := self._counted.get(victim):
            assert counted.event
            self.decided.reversals.append(counted.event)
        else:
            self._waiting.add(victim)
            self.decided.waiting[victim] = by

    def _reversal_of(self, event_id: int, item: CheckedEvent) -> Reversal:
        """An event of this batch, as it is about to be counted."""
        return Reversal(
            event_id=event_id,
            used_on=item.used_on,
            agency_id=item.place.agency.id,
            agent_id=item.place.agent_id,
            meter_id=item.place.meter_id,
            breakdown=item.breakdown,
            owner=self._sender.owner,
            source=item.event.source,
            external_id=item.event.id,
            occurred_at=item.occurred_at,
            raw=item.event.quantity,
            billable=item.billable,
        )
