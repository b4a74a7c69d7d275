"""Applying processor outcomes to attempts, each in one transaction."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Protocol, TypeVar

from django.conf import settings
from django.db import transaction

from billing.collection.models.base import Attempt
from billing.invoicing.services.issuing import lock_accounts
from billing.processors.domain.port import ProcessorOutcome
from billing.receivables.services.payments import check_reference
from core.errors import Refusal
from core.parsing.values import shown
from core.queue.models import QueueQuerySet

A = TypeVar("A", bound=Attempt)


# Outcomes may arrive in any order: the more final one counts.
FINALITY = {"failed": 0, "declined_soft": 1, "declined_hard": 2, "succeeded": 3}


class Contradiction(Refusal):
    """The outcome contradicts what is already recorded of the payment attempt.

    Compare the attempt with the processor's records before you record an outcome.
    """

    code = "contradictory_outcome"


class AttemptRecorder(Protocol[A]):
    """What differs between payment attempts and refund attempts when recorded.

    `ends` maps each outcome that ends an attempt without success to the state it leads
    to. `success_is_final`: a failure that arrives after a success is older, and ignored.
    """

    ends: ClassVar[Mapping[str, str]]
    success_is_final: ClassVar[bool]

    def rows(self) -> QueueQuerySet[A]:
        """The attempts, with their payers selected."""

    def payer_of(self, attempt: A) -> int:
        """The id of the payer whose account must be locked."""

    def on_success(self, attempt: A, now: datetime) -> None:
        """Record the money of an attempt that has just succeeded."""

    def on_failure(self, attempt: A, now: datetime) -> None:
        """Publish that an attempt has just ended without success."""


def apply_outcome(
    recorder: AttemptRecorder[A],
    attempt: A,
    outcome: ProcessorOutcome,
    *,
    now: datetime,
    from_call: bool,
    closed_by: str = "",
) -> A:
    """Move an attempt to the state of an outcome; a success records its money too.

    Repeating an outcome changes nothing, nor does a less final one; a success also
    counts after a failure. An outcome `from_call`, where `attempt` is as claimed for
    that call, is ignored once another call has begun, unless it is a success.
    `closed_by` is who set the outcome, if that is not the processor. Raises
    Contradiction for an attempt that was never sent, for a success under another
    reference than before, and for a failure after a success that staff recorded or that
    is not final; BadReference; and what recording the money raises.
    """
    with transaction.atomic():
        lock_accounts([recorder.payer_of(attempt)])
        rows = recorder.rows().select_for_update(of=("self",), no_key=True)
        locked = rows.get(pk=attempt.pk)
        late = from_call and locked.attempts != attempt.attempts
        if late and outcome.kind != "succeeded":
            return locked
        if not locked.sends and outcome.kind != "failed":
            raise Contradiction(
                f"{locked} was never sent to the processor, so it cannot be"
                f" {outcome.kind}."
            )
        if locked.state not in Attempt.OPEN:
            _revise(recorder, locked, outcome, now)
        elif outcome.kind == "succeeded":
            _succeed(recorder, locked, outcome, now, closed_by)
        elif outcome.kind in recorder.ends:
            _set_state(locked, recorder.ends[outcome.kind], outcome, now, closed_by)
            recorder.on_failure(locked, now)
        else:
            _keep_open(locked, outcome, now)
    return locked


def next_lookup_at(attempt: Attempt, *, now: datetime) -> datetime:
    """When to look up an open attempt at the processor again."""
    pauses = settings.CHARGES["LOOK_UPS"]
    return now + pauses[min(attempt.lookups, len(pauses) - 1)]  # type: ignore[no-any-return]


def _succeed(
    recorder: AttemptRecorder[A],
    attempt: A,
    outcome: ProcessorOutcome,
    now: datetime,
    closed_by: str = "",
) -> None:
    _require_new_reference(recorder, attempt, outcome)
    _set_state(attempt, "succeeded", outcome, now, closed_by)
    recorder.on_success(attempt, now)


def _revise(
    recorder: AttemptRecorder[A], attempt: A, outcome: ProcessorOutcome, now: datetime
) -> None:
    """Apply another outcome to an attempt that has ended: the more final one counts."""
    state = recorder.ends.get(outcome.kind, outcome.kind)
    if state not in FINALITY:
        return
    has_succeeded = attempt.state == "succeeded"
    if state == "succeeded" and not has_succeeded:
        _succeed(recorder, attempt, outcome, now)
    elif state == "succeeded":
        if outcome.reference != attempt.reference:
            raise Contradiction(
                f"{attempt} already succeeded with reference {attempt.reference}; it"
                f" cannot succeed with {shown(outcome.reference)}."
            )
    elif has_succeeded:
        if attempt.closed_by or not recorder.success_is_final:
            raise Contradiction(
                f"{attempt} already succeeded; it cannot become {state}."
            )
    elif FINALITY[state] > FINALITY[attempt.state]:
        _set_state(attempt, state, outcome, now)


def _require_new_reference(
    recorder: AttemptRecorder[A], attempt: A, outcome: ProcessorOutcome
) -> None:
    check_reference(outcome.reference)
    same = recorder.rows().filter(
        processor=attempt.processor, reference=outcome.reference
    )
    if same.exists():
        raise Contradiction(
            f"Reference {outcome.reference} already belongs to another attempt."
        )


def _keep_open(attempt: A, outcome: ProcessorOutcome, now: datetime) -> None:
    """Keep an attempt open: a failed look-up does not make a pending one unknown."""
    state = "pending" if attempt.state == "pending" else outcome.kind
    attempt.next_attempt_at = next_lookup_at(attempt, now=now)
    _set_state(attempt, state, outcome, now)


def _set_state(
    attempt: A,
    state: str,
    outcome: ProcessorOutcome,
    now: datetime,
    closed_by: str = "",
) -> None:
    attempt.state, attempt.changed_at = state, now
    attempt.leased_until, attempt.last_error = None, outcome.reason[:200]
    attempt.reference = outcome.reference if state == "succeeded" else ""
    attempt.closed_by = closed_by
    attempt.save(
        update_fields=[
            "state", "changed_at", "last_error", "reference", "next_attempt_at",
            "leased_until", "closed_by",
        ]
    )  # fmt: skip
