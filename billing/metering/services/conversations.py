"""Legs of calls that may have others: decided with the legs that are already stored.

The decision on a conversation is a function of the set of its legs (`domain.conversations`),
so the order of lines, and where a file ends, change nothing in the end: with each new leg
the conversation is decided anew, and what was counted otherwise is corrected by an event
that supersedes it. All queries are per batch.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from django.db import connection, transaction
from django.db.models import Q

from billing.metering.domain.conversations import (
    Decision,
    Verdict,
    decide_alone,
    decide_conversation,
)
from billing.metering.domain.events import LONGEST_NAME, IncomingEvent, IngestResult
from billing.metering.domain.legs import CallLeg
from billing.metering.models import ConversationLeg
from billing.metering.services.ingest import ingest_events
from core.periods import ZonePeriod, local_date, month_of
from core.postgres.arrays import text_array
from core.postgres.locks import lock_name
from seats.agencies.queries.agencies import local_dates, zones_of
from seats.models import Agency

SWEPT = 1_000  # waiting legs that one transaction decides
MOST_LEGS = 10_000  # stored legs of a conversation that a batch is decided with
MOST_LINKED = 200_000  # and of all its conversations
MOST_LINKS = 20  # from a leg to a stored one by way of others; calls have few
KEPT = timedelta(days=180)  # decided legs; older calls are no longer accepted
COPY_LEGS = """
    COPY billing_conversationleg (
        agency_id, source, leg, conversation, content, state, reason, event, agent,
        version, used_on, received_at)
    FROM STDIN
"""
STORED_LEGS = """
    SELECT stored.* FROM unnest(%s::text[]) AS wanted(name), LATERAL (
        SELECT * FROM billing_conversationleg
        WHERE agency_id = %s AND source = %s AND {column} = wanted.name
        ORDER BY id DESC LIMIT %s
    ) AS stored
"""
State = ConversationLeg.State
_encode = msgspec.json.Encoder().encode
log = logging.getLogger(__name__)


@dataclass(slots=True)
class DecidedBatch:
    """The decisions on the legs of a batch, by id, and the corrections they need.

    `corrections` are events for legs that were decided otherwise before, by the id of
    the leg.
    """

    agency: Agency
    source: str
    decisions: dict[str, Decision] = field(default_factory=dict)
    corrections: dict[str, IncomingEvent] = field(default_factory=dict)
    stored: dict[str, ConversationLeg] = field(default_factory=dict)
    zones: Sequence[ZonePeriod] = ()

    def event_of(self, leg: CallLeg, *, has_former_ids: bool) -> IncomingEvent | None:
        """The event of a leg of the batch; None if it does not count."""
        decision = self.decisions[leg.id]
        if decision.verdict is not Verdict.COUNTS:
            return None
        return leg.event(
            source=self.source,
            agency=self.agency.code,
            agent=decision.agent,
            has_former_ids=has_former_ids,
        )

    def store(
        self,
        legs: Sequence[CallLeg],
        results: Mapping[str, IngestResult],
        corrected: Mapping[str, IngestResult],
        *,
        now: datetime,
    ) -> Decimal:
        """Store the legs of the batch, with the results of their events by leg id.

        Returns the seconds that corrections of earlier legs add, or take back.
        """
        new = {
            leg.id: leg
            for leg in legs
            if leg.conversation and leg.id not in self.stored
        }
        _copy(
            self._cells_of(leg, now)
            for leg in new.values()
            if leg.id not in results or results[leg.id].status != "rejected"
        )
        seconds = sum(
            (
                self._change_of(leg_id, event)
                for leg_id, event in self.corrections.items()
                if corrected[leg_id].status == "accepted"
            ),
            Decimal(0),
        )
        changed = [
            self._corrected_row(self.stored[leg_id], event)
            for leg_id, event in self.corrections.items()
            if corrected[leg_id].status != "rejected"
        ]
        changed += [
            self._decided_row(row)
            for leg_id, row in self.stored.items()
            if leg_id not in self.corrections and self._differs(row)
        ]
        for leg_id, result in corrected.items():
            if result.status == "rejected":
                log.warning("Leg %s was not corrected: %s", leg_id, result.message)
        ConversationLeg.objects.bulk_update(
            changed, ["state", "reason", "event", "agent", "version"], batch_size=1_000
        )
        return seconds

    def _change_of(self, leg_id: str, event: IncomingEvent) -> Decimal:
        """The seconds that a correction adds to those that its leg counts."""
        row = self.stored[leg_id]
        before = _leg_of(row).seconds if row.state == State.COUNTED else Decimal(0)
        return event.quantity - before

    def _cells_of(self, leg: CallLeg, now: datetime) -> tuple[object, ...]:
        """A new row, in the order of COPY_LEGS; its event, if it counts, has its id."""
        decision = self.decisions[leg.id]
        state = STATES[decision.verdict]
        return (
            self.agency.pk,
            self.source,
            leg.id,
            leg.conversation,
            _encode(leg).decode(),
            state.value,
            decision.reason,
            leg.id if state is State.COUNTED else "",
            decision.agent or "",
            0,
            local_date(leg.occurred_at, self.zones),
            now,
        )

    def _decided_row(self, row: ConversationLeg) -> ConversationLeg:
        """The stored row with the decision on its leg."""
        decision = self.decisions[row.leg]
        row.state = STATES[decision.verdict]
        row.reason = decision.reason
        row.agent = decision.agent or ""
        return row

    def _differs(self, row: ConversationLeg) -> bool:
        """Whether a leg that is not counted is decided otherwise now."""
        decision = self.decisions[row.leg]
        before = (row.state, row.reason)
        return row.state != State.COUNTED and before != (
            STATES[decision.verdict], decision.reason
        )  # fmt: skip

    def _corrected_row(
        self, row: ConversationLeg, event: IncomingEvent
    ) -> ConversationLeg:
        row.version += bool(row.event)
        row.event = event.id
        return self._decided_row(row)


STATES = {
    Verdict.COUNTS: State.COUNTED,
    Verdict.SKIPPED: State.SKIPPED,
    Verdict.WAITS: State.WAITING,
}


def decide_legs(
    legs: Sequence[CallLeg], *, agency: Agency, source: str, are_complete: bool = False
) -> DecidedBatch:
    """Decide legs together with the stored legs of their conversations.

    Must be called in the transaction that counts and stores them: it locks the
    conversations of the source. `are_complete`: no other leg will come.
    """
    batch = DecidedBatch(agency, source)
    together = []
    for leg in legs:
        if leg.conversation and _is_grouped(leg):
            together.append(leg)
        else:
            batch.decisions[leg.id] = decide_alone(leg)
    if not together:
        return batch
    lock_name(f"metering.conversations.{agency.pk}.{source}")
    batch.zones = zones_of([agency.pk])[agency.pk]
    stored_legs = _read_linked_legs(batch, together)
    everything = {leg.id: leg for leg in together} | stored_legs
    for group in _grouped(everything.values()):
        batch.decisions |= decide_conversation(group, is_complete=are_complete)
    for row in batch.stored.values():
        correction = _correction(row, stored_legs[row.leg], batch)
        if correction is not None:
            batch.corrections[row.leg] = correction
    return batch


def _copy(rows: Iterable[tuple[object, ...]]) -> None:
    """Insert rows by COPY."""
    rows = list(rows)
    if not rows:
        return
    with connection.cursor() as cursor, cursor.copy(COPY_LEGS) as copy:
        for row in rows:
            copy.write_row(row)


def _is_grouped(leg: CallLeg) -> bool:
    """Whether a leg may have others; one whose names cannot be stored is on its own."""
    return all(
        0 < len(name) <= LONGEST_NAME and name.isprintable()
        for name in (leg.id, leg.conversation)
    )


def _read_linked_legs(
    batch: DecidedBatch, legs: Sequence[CallLeg]
) -> dict[str, CallLeg]:
    """The stored legs that legs are linked with, by id; their rows go to the batch.

    A stored leg may name another one in turn, so this reads until none is new.
    """
    linked: dict[str, CallLeg] = {}
    names = {name for leg in legs for name in leg.names}
    read: set[str] = set()
    for _ in range(MOST_LINKS):
        new = names - read
        if not new or len(linked) > MOST_LINKED:
            break
        read |= new
        for row in _stored_rows(batch.agency, batch.source, new):
            if row.leg not in linked:
                batch.stored[row.leg] = row
                leg = linked[row.leg] = _leg_of(row)
                names.update(leg.names)
    return linked


def _stored_rows(
    agency: Agency, source: str, names: Collection[str]
) -> Iterator[ConversationLeg]:
    """The stored legs with these ids, and the latest in conversations of these names."""
    for column in ("conversation", "leg"):
        yield from ConversationLeg.objects.raw(
            STORED_LEGS.format(column=column),
            [text_array(names), agency.pk, source, MOST_LEGS],
        )


def _leg_of(row: ConversationLeg) -> CallLeg:
    return msgspec.convert(row.content, CallLeg, strict=False)


def _grouped(legs: Collection[CallLeg]) -> list[list[CallLeg]]:
    """The legs by conversation: those that are linked by any name are of one."""
    heads: dict[str, str] = {}

    def head_of(name: str) -> str:
        while (head := heads.setdefault(name, name)) != name:
            heads[name] = name = heads[head]
        return head

    for leg in legs:
        for name in leg.names:
            heads[head_of(name)] = head_of(leg.id)
    groups: dict[str, list[CallLeg]] = {}
    for leg in legs:
        groups.setdefault(head_of(leg.id), []).append(leg)
    return list(groups.values())


def _correction(
    row: ConversationLeg, leg: CallLeg, batch: DecidedBatch
) -> IncomingEvent | None:
    """The event that a stored leg needs, now that it is decided otherwise."""
    decision = batch.decisions[row.leg]
    counts = decision.verdict is Verdict.COUNTS
    counted = row.state == State.COUNTED
    if not counts and not counted:
        return None
    if counts and counted and (decision.agent or "") == row.agent:
        return None
    event = leg.event(
        source=batch.source, agency=batch.agency.code, agent=decision.agent
    )
    if not row.event:
        return event
    return replace(
        event,
        id=f"{leg.id}~{row.version + 1}",
        agent=decision.agent if counts else row.agent or None,
        quantity=leg.seconds if counts else Decimal(0),
        supersedes=row.event,
        former_ids=(),
    )


def decide_waiting_legs(*, now: datetime) -> int:
    """Decide waiting legs whose month is over at their agency; returns how many.

    Their other legs did not come, so each counts by itself. Safe to repeat and to run in
    parallel.
    """
    decided = 0
    agencies = ConversationLeg.objects.filter(state=State.WAITING).order_by()
    for agency_id, source in agencies.values_list("agency", "source").distinct():
        this_month = month_of(local_dates([agency_id], now=now)[agency_id])
        while count := _decide_some(agency_id, source, Q(used_on__lt=this_month), now):
            decided += count
    return decided


def _decide_some(agency_id: int, source: str, due: Q, now: datetime) -> int:
    """Decide some waiting legs of a source; returns how many were decided."""
    agency = Agency.objects.get(pk=agency_id)
    with transaction.atomic():
        rows = ConversationLeg.objects.filter(
            due, agency=agency, source=source, state=State.WAITING
        )
        legs = [_leg_of(row) for row in rows.order_by("pk")[:SWEPT]]
        if not legs:
            return 0
        batch = decide_legs(legs, agency=agency, source=source, are_complete=True)
        results = ingest_events(
            list(batch.corrections.values()), owner=agency_id, now=now
        )
        batch.store([], {}, dict(zip(batch.corrections, results, strict=True)), now=now)
        _close_rejected(batch, dict(zip(batch.corrections, results, strict=True)))
    return len(legs)


def _close_rejected(batch: DecidedBatch, results: Mapping[str, IngestResult]) -> None:
    """Note legs whose events were rejected; the quarantine has those it can count."""
    for leg_id, result in results.items():
        row = batch.stored[leg_id]
        if result.status == "rejected" and row.state == State.WAITING:
            row.state, row.reason = State.SKIPPED, f"rejected: {result.code}"
            row.save(update_fields=["state", "reason"])


def delete_old_legs(*, now: datetime) -> int:
    """Delete decided legs that no other leg can join any more; returns how many."""
    before = (now - KEPT).date()
    deleted, _ = (
        ConversationLeg.objects.filter(used_on__lt=before)
        .exclude(state=State.WAITING)
        .delete()
    )
    return deleted
