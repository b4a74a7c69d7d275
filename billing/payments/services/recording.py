"""What became of an attempt, taken into our books in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Protocol, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from billing.invoicing.services.issuing import lock_accounts
from billing.payments.attempts import Attempt
from billing.payments.processors.port import ProcessorOutcome
from billing.payments.services.receiving import check_reference
from seats.errors import Refusal

A = TypeVar("A", bound=Attempt)


# Outcomes may arrive in any order: the more final one counts.
FINALITY = {"failed": 0, "declined_soft": 1, "declined_hard": 2, "succeeded": 3}


class Contradiction(Refusal):
    code = "contradicts_what_was_told"


class Records(Protocol[A]):
    """What differs between charges and refunds in our books.

    `ends` are the outcomes without success, and the state that each leads to.
    `success_is_final`: a failure that arrives after a success is older than it.
    """

    ends: ClassVar[Mapping[str, str]]
    success_is_final: ClassVar[bool]

    def rows(self) -> QuerySet[A]:
        """The attempts, with their payers."""

    def payer_of(self, attempt: A) -> int:
        """The id of the payer, whose account is locked."""

    def succeeded(self, attempt: A, now: datetime) -> None:
        """Take the money of one that has just succeeded into the books."""

    def failed(self, attempt: A, now: datetime) -> None:
        """Announce one that has just ended without success."""


def record(
    of: Records[A],
    attempt: A,
    outcome: ProcessorOutcome,
    *,
    now: datetime,
    of_call: bool,
    closed_by: str = "",
) -> A:
    """Move an attempt to where an outcome leads; a success moves its money too.

    The same outcome again changes nothing, nor does one that says less than is known; a
    success also counts after a failure. What came `of_call`, as `attempt` was claimed for
    it, says nothing but a success once another call has begun. `closed_by` is who said
    the outcome, where that is not the processor. Raises Contradiction for
    an attempt that was never sent, for a success under another reference than before,
    and for a failure of what only people or a refund call a success; BadReference; and
    what moving the money raises.
    """
    with transaction.atomic():
        lock_accounts([of.payer_of(attempt)])
        rows = of.rows().select_for_update(of=("self",), no_key=True)
        locked = rows.get(pk=attempt.pk)
        calls = (locked.sends, locked.lookups)
        late = of_call and calls != (attempt.sends, attempt.lookups)
        if late and outcome.kind != "succeeded":
            return locked
        if not locked.sends and outcome.kind != "failed":
            raise Contradiction(f"{locked} was never sent to the processor.")
        if locked.state not in Attempt.OPEN:
            _revise(of, locked, outcome, now)
        elif outcome.kind == "succeeded":
            _succeed(of, locked, outcome, now, closed_by)
        elif outcome.kind in of.ends:
            _move(locked, of.ends[outcome.kind], outcome, now, closed_by)
            of.failed(locked, now)
        else:
            _go_on(locked, outcome, now)
    return locked


def pause_of(attempt: Attempt, *, now: datetime) -> datetime:
    """When to ask next what became of it."""
    pauses = settings.CHARGES["LOOK_UPS"]
    return now + pauses[min(attempt.lookups, len(pauses) - 1)]  # type: ignore[no-any-return]


def _succeed(
    of: Records[A],
    attempt: A,
    outcome: ProcessorOutcome,
    now: datetime,
    closed_by: str = "",
) -> None:
    _require_new(of, attempt, outcome)
    _move(attempt, "succeeded", outcome, now, closed_by)
    of.succeeded(attempt, now)


def _revise(
    of: Records[A], attempt: A, outcome: ProcessorOutcome, now: datetime
) -> None:
    """Record another outcome of an attempt that has ended: the more final one counts."""
    state = of.ends.get(outcome.kind, outcome.kind)
    if state not in FINALITY:
        return
    succeeded = attempt.state == "succeeded"
    if state == "succeeded" and not succeeded:
        _succeed(of, attempt, outcome, now)
    elif state == "succeeded":
        if outcome.reference != attempt.reference:
            raise Contradiction(
                f"{attempt} succeeded as {attempt.reference}, not {outcome.reference}."
            )
    elif succeeded:
        if attempt.closed_by or not of.success_is_final:
            raise Contradiction(f"{attempt} is succeeded already, not {state}.")
    elif FINALITY[state] > FINALITY[attempt.state]:
        _move(attempt, state, outcome, now)


def _require_new(of: Records[A], attempt: A, outcome: ProcessorOutcome) -> None:
    check_reference(outcome.reference)
    same = of.rows().filter(processor=attempt.processor, reference=outcome.reference)
    if same.exists():
        raise Contradiction(f"{outcome.reference} is of another attempt.")


def _go_on(attempt: A, outcome: ProcessorOutcome, now: datetime) -> None:
    """Still open: what the processor has is not made unknown by a bad line."""
    state = "pending" if attempt.state == "pending" else outcome.kind
    attempt.due_at = pause_of(attempt, now=now)
    _move(attempt, state, outcome, now)


def _move(
    attempt: A,
    state: str,
    outcome: ProcessorOutcome,
    now: datetime,
    closed_by: str = "",
) -> None:
    attempt.state, attempt.changed_at = state, now
    attempt.error = outcome.reason[:200]
    attempt.reference = outcome.reference if state == "succeeded" else ""
    attempt.closed_by = closed_by
    attempt.save(
        update_fields=[
            "state", "changed_at", "error", "reference", "due_at", "closed_by",
        ]
    )  # fmt: skip
