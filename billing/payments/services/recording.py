"""What became of an attempt, taken into our books in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Protocol, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from billing.invoicing.services.issuing import lock_accounts
from billing.payments.attempts import Attempt
from billing.payments.processors.port import Outcome
from billing.payments.services.receiving import check_reference
from seats.errors import Refusal

A = TypeVar("A", bound=Attempt)


class Contradiction(Refusal):
    code = "contradicts_what_was_told"


class Records(Protocol[A]):
    """What differs between charges and refunds in our books.

    `ends` are the outcomes without success, and the state that each leads to.
    """

    ends: ClassVar[Mapping[str, str]]

    def rows(self) -> QuerySet[A]:
        """The attempts, with their payers."""

    def payer_of(self, attempt: A) -> int:
        """The id of the payer, whose account is locked."""

    def succeeded(self, attempt: A, now: datetime) -> None:
        """Take the money of one that has just succeeded into the books."""

    def failed(self, attempt: A, now: datetime) -> None:
        """Announce one that has just ended without success."""


def record(
    of: Records[A], attempt: A, outcome: Outcome, *, now: datetime, of_call: bool
) -> A:
    """Move an attempt to where an outcome leads; a success moves its money too.

    The same outcome again changes nothing, nor does one that comes late and says less
    than is known. What came `of_call`, as `attempt` was claimed for it, says nothing
    but a success once another call has begun. Raises Contradiction where a closed
    attempt is said to have ended otherwise, BadReference, and what moving the money
    raises.
    """
    with transaction.atomic():
        lock_accounts([of.payer_of(attempt)])
        rows = of.rows().select_for_update(of=("self",), no_key=True)
        locked = rows.get(pk=attempt.pk)
        calls = (locked.sends, locked.lookups)
        late = of_call and calls != (attempt.sends, attempt.lookups)
        if late and outcome.kind != "succeeded":
            return locked
        if locked.state not in Attempt.OPEN:
            _require_agreement(of, locked, outcome)
        elif outcome.kind == "succeeded":
            _require_new(of, locked, outcome)
            _move(locked, "succeeded", outcome, now)
            of.succeeded(locked, now)
        elif outcome.kind in of.ends:
            _move(locked, of.ends[outcome.kind], outcome, now)
            of.failed(locked, now)
        else:
            _go_on(locked, outcome, now)
    return locked


def pause_of(attempt: Attempt, *, now: datetime) -> datetime:
    """When to ask next what became of it."""
    pauses = settings.CHARGES["LOOK_UPS"]
    return now + pauses[min(attempt.lookups, len(pauses) - 1)]  # type: ignore[no-any-return]


def _require_agreement(of: Records[A], attempt: A, outcome: Outcome) -> None:
    """Whatever says nothing final, or the same, is late and harmless."""
    if outcome.kind in {"pending", "unknown"}:
        return
    told = of.ends.get(outcome.kind, outcome.kind)
    if told != attempt.state or (
        told == "succeeded" and outcome.reference != attempt.reference
    ):
        raise Contradiction(f"{attempt} is {attempt.state} already, not {told}.")


def _require_new(of: Records[A], attempt: A, outcome: Outcome) -> None:
    check_reference(outcome.reference)
    same = of.rows().filter(processor=attempt.processor, reference=outcome.reference)
    if same.exists():
        raise Contradiction(f"{outcome.reference} is of another attempt.")


def _go_on(attempt: A, outcome: Outcome, now: datetime) -> None:
    """Still open: what the processor has is not made unknown by a bad line."""
    state = "pending" if attempt.state == "pending" else outcome.kind
    attempt.due_at = pause_of(attempt, now=now)
    _move(attempt, state, outcome, now)


def _move(attempt: A, state: str, outcome: Outcome, now: datetime) -> None:
    attempt.state, attempt.changed_at = state, now
    attempt.error = outcome.reason[:200]
    attempt.reference = outcome.reference if state == "succeeded" else ""
    attempt.save(update_fields=["state", "changed_at", "error", "reference", "due_at"])
