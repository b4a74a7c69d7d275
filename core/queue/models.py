"""Tables as queues: one way to claim a row, to retry it, to finish it, and to count what waits.

A claim leases rows and counts their attempt, in a commit of its own, before the work begins.
Whoever holds the lease settles the row. If it dies, the lease ends and the row is due again.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self, TypeVar

from django.apps import apps
from django.db import models, transaction
from django.db.models import Case, Count, F, Min, Q, Value, When

from core.queue.heartbeat import renewed

Item = TypeVar("Item", bound="QueueItem")


@dataclass(frozen=True, slots=True)
class QueueStates:
    """The states in which rows of a queue wait for an attempt, and may be leased.

    A claim moves a row whose state has no lease to the first of `leased`; a retry moves
    a row whose state cannot wait to `retry`, or else to the first of `waiting`. A state
    in both is kept while the row is leased. In all other states a row is finished.
    """

    waiting: tuple[str, ...]
    leased: tuple[str, ...]
    retry: str = ""

    @property
    def unfinished(self) -> list[str]:
        """Every state in which a row still is to be attempted."""
        return list(dict.fromkeys(self.waiting + self.leased))

    @property
    def after_retry(self) -> str:
        """The state of a row that cannot wait in its own."""
        return self.retry or self.waiting[0]

    def lease_check(self, name: str) -> models.CheckConstraint:
        """The constraint that a row has a lease if and only if somebody works on it."""
        working = [state for state in self.leased if state not in self.waiting]
        free = Q(leased_until=None)
        if working:
            free &= ~Q(state__in=working)
        leased = Q(leased_until__isnull=False, state__in=list(self.leased))
        return models.CheckConstraint(condition=leased | free, name=name)

    def due_index(
        self, name: str, fields: Sequence[str] = ("next_attempt_at",)
    ) -> models.Index:
        """The partial index by which due rows are found, however many are finished."""
        unfinished = Q(state__in=self.unfinished)
        return models.Index(fields=fields, condition=unfinished, name=name)


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many rows are due and claimed by nobody, and since when the oldest has been."""

    depth: int
    oldest: timedelta


class QueueQuerySet(models.QuerySet[Item]):
    """Rows of a queue. Filter and order them by the columns of their room, then claim."""

    def due(self, now: datetime) -> Self:
        """Unfinished rows whose time has come and that nobody holds at `now`."""
        free = Q(leased_until=None) | Q(leased_until__lte=now)
        unfinished = self.model.queue.unfinished
        return self.filter(free, state__in=unfinished, next_attempt_at__lte=now)

    def lock_due(self, *, now: datetime, limit: int | None = None) -> list[Item]:
        """Lock up to `limit` due rows until the commit; rows locked by others are skipped.

        Must be called inside a transaction. For rooms that decide row by row whether to
        begin an attempt; `claim` begins one of each.
        """
        rows = self.due(now).select_for_update(
            of=("self",), no_key=True, skip_locked=True
        )
        return list(rows[:limit])

    def claim(
        self,
        *,
        now: datetime,
        lease: timedelta,
        limit: int | None = None,
        retry_limits: Sequence[int] = (),
    ) -> list[Item]:
        """Lease up to `limit` due rows and count an attempt of each; return them.

        With `retry_limits`, rows must be ordered by attempts first, and are claimed with
        others of the same number of attempts: up to `limit` without one, and then as
        many as `retry_limits` lists, the last for all further attempts. So a row that
        kills its worker soon stands alone. Commit before the work begins. Safe to call
        concurrently.
        """
        with transaction.atomic():
            rows = self.lock_due(now=now, limit=limit)
            if retry_limits:
                rows = _same_attempts(rows, (limit, *retry_limits))
            for row in rows:
                row.begin_attempt(now=now, lease=lease)
            self.model._base_manager.bulk_update(rows, self.model.claim_fields)
        return rows

    def held(self, rows: Iterable[Item]) -> Self:
        """Those of these claimed rows that nobody has claimed or settled since."""
        ids = defaultdict(list)
        for row in rows:
            ids[row.attempts].append(row.pk)
        same = Q(pk__in=[])
        for attempts, own in ids.items():
            same |= Q(attempts=attempts, pk__in=own)
        return self.filter(same, leased_until__isnull=False)

    def renew(self, rows: Iterable[Item], *, until: datetime) -> None:
        """Extend the leases of claimed rows that are still held.

        Rows that are locked right now are skipped: nobody else can claim those.
        """
        with transaction.atomic():
            own = self.held(rows).select_for_update(no_key=True, skip_locked=True)
            ids = list(own.values_list("pk", flat=True))
            self.model._base_manager.filter(pk__in=ids).update(leased_until=until)

    def retry_later(self, at: datetime, *, error: str, **changes: Any) -> int:
        """End the leases of rows and make them due at `at`; return how many."""
        queue = self.model.queue
        waits = When(state__in=queue.waiting, then=F("state"))
        return self.update(
            state=Case(waits, default=Value(queue.after_retry)),
            next_attempt_at=at,
            leased_until=None,
            last_error=error,
            **changes,
        )

    def finish(self, state: str, **changes: Any) -> int:
        """End the leases of rows and move them to a state; return how many."""
        return self.update(state=state, leased_until=None, **changes)

    def park_exhausted(
        self, state: str, *, now: datetime, most: int, **changes: Any
    ) -> list[Item]:
        """Finish due rows that had `most` attempts, as they are not to be tried again.

        Returns them as they were. Safe to call concurrently.
        """
        with transaction.atomic():
            rows = self.filter(attempts__gte=most).lock_due(now=now)
            if rows:
                parked = self.model._default_manager.filter(
                    pk__in=[row.pk for row in rows]
                )
                parked.update(state=state, leased_until=None, **changes)
        return rows

    def requeue(self, *, now: datetime) -> int:
        """Queue rows anew, with all attempts; return how many."""
        return self.update(
            state=self.model.queue.waiting[0],
            attempts=0,
            next_attempt_at=now,
            leased_until=None,
            last_error="",
        )

    def backlog(self, *, now: datetime) -> Backlog:
        """How much is due at `now` and not in progress."""
        due = self.due(now).aggregate(
            depth=Count("pk"), oldest=now - Min("next_attempt_at")
        )
        return Backlog(due["depth"], due["oldest"] or timedelta(0))


class QueueItem(models.Model):
    """A row of a queue. The subclass says which of its states wait and which are leased."""

    queue: ClassVar[QueueStates]
    claim_fields: ClassVar[list[str]] = ["state", "attempts", "leased_until"]

    state = models.CharField(max_length=16)
    attempts = models.PositiveIntegerField(
        default=0, help_text="Attempts begun; each is counted before the work."
    )
    next_attempt_at = models.DateTimeField(help_text="When the next attempt is due.")
    leased_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="While a worker holds it: when another may take over.",
    )
    last_error = models.TextField(
        blank=True, help_text="Why the last attempt did not succeed."
    )

    objects = QueueQuerySet.as_manager()

    class Meta:
        abstract = True

    def begin_attempt(self, *, now: datetime, lease: timedelta) -> None:
        """Count an attempt of this locked row and lease it; save its `claim_fields`."""
        if self.state not in self.queue.leased:
            self.state = self.queue.leased[0]
        self.attempts += 1
        self.leased_until = now + lease

    def is_leased(self, at: datetime) -> bool:
        """Whether its lease, as it was read, lasts beyond an instant."""
        return self.leased_until is not None and at < self.leased_until


def queues() -> list[type[QueueItem]]:
    """Every table that is a queue, by name."""
    tables = [table for table in apps.get_models() if issubclass(table, QueueItem)]
    return sorted(tables, key=lambda table: table.__name__)


def last_error_or(message: str) -> Case:
    """The last error of a row; `message` if no attempt left one, since all crashed."""
    crashed = When(last_error="", then=Value(message))
    return Case(crashed, default=F("last_error"), output_field=models.TextField())


@contextmanager
def kept_leased(
    rows: Sequence[Item], *, now: datetime, lease: timedelta
) -> Iterator[None]:
    """Renew the leases of rows claimed at `now` while the `with` body works on them."""
    queue: QueueQuerySet[Item] = type(rows[0])._default_manager.all()  # type: ignore[assignment]
    with renewed(
        lambda elapsed: queue.renew(rows, until=now + elapsed + lease), lease=lease
    ):
        yield


def _same_attempts(rows: list[Item], limits: Sequence[int | None]) -> list[Item]:
    """The first rows, all with the same attempts, and at most that number's limit."""
    if not rows:
        return rows
    attempts = rows[0].attempts
    limit = limits[min(attempts, len(limits) - 1)]
    return [row for row in rows[:limit] if row.attempts == attempts]
