"""Refusals of changes to agents and seats."""

from core.errors import Kind, Refusal


class SeatNotHeld(Refusal):
    """The seat has no holder on this date.

    Choose a date on which the seat is held; `detail` says more.
    """

    code = "seat_not_held"


class SeatNotRemoved(Refusal):
    """The seat has not been removed.

    Re-open only removed seats.
    """

    code = "seat_not_removed"


class SeatIsCancelled(Refusal):
    """The seat is cancelled and cannot be changed.

    Add a new seat instead.
    """

    code = "seat_cancelled"


class OtherAgency(Refusal):
    """The agent belongs to another agency than the seat.

    Transfer the seat instead.
    """

    code = "other_agency"


class SameAgency(Refusal):
    """The agent belongs to the same agency as the seat.

    Hand the seat over instead.
    """

    code = "same_agency"


class SeatNamedTwice(Refusal):
    """A seat is listed more than once.

    List each seat with one agent.
    """

    code = "seat_named_twice"


class AgentExists(Refusal):
    """An agent with this `external_id` already exists, or was sent twice.

    Use the existing agent, and send each agent once.
    """

    code = "agent_exists"
    kind = Kind.CONFLICT


class RemovedTooEarly(Refusal):
    """The seat would be removed before it was added, or on that date.

    Choose a later date of removal.
    """

    code = "removed_too_early"


class AgentUsed(Refusal):
    """Calls or other usage name the agent by its `external_id`.

    Keep the `external_id`, or add another agent and hand the seat over.
    """

    code = "agent_used"
    kind = Kind.CONFLICT


class NothingToUndo(Refusal):
    """The last change of the seat cannot be undone, or is older than a day.

    Make the opposite change instead; `detail` says which.
    """

    code = "nothing_to_undo"


class ChangedSince(Refusal):
    """The seat was changed again, or used, after the change that is to be undone.

    Look at the history of the seat first.
    """

    code = "changed_since"
    kind = Kind.CONFLICT
