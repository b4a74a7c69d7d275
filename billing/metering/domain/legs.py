"""Call legs, as the readers of all feeds describe them. Pure.

A leg is what one record says about a call: which row it is, which conversation it
belongs to, who its ends are, when it was answered and for how long. Which legs of a
conversation count is decided in one place, `conversations`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from billing.metering.domain.events import IncomingEvent

INTERNAL = "an internal leg"
OTHER_LEG = "the other leg of a call"
GOING_ON = "a call that is still going on"


class CallLeg(msgspec.Struct, frozen=True, gc=False):
    """One record of a call.

    `id` is unique per row that counts; `former_ids` are those that earlier versions of
    the reader gave the same row. `conversation` groups the legs of a feed whose
    conversations have several, and is empty where each row is decided on its own.
    `other` is the leg that this one names as its other end, `parent` the leg that began
    this one; `in_session` means that public legs at the same time are ends of one talk.
    `seconds` are billable seconds, 0 if it was not answered; `occurred_at` is the
    answer, or the start of an unanswered leg, in UTC. `meter` has the direction and the
    kind of number. `is_internal` means that no end is on the public network; such a leg
    may name the `agent` of its conversation. `rank` breaks ties between the legs of one
    talk; the lowest counts.
    """

    id: str
    meter: str
    agent: str | None
    seconds: Decimal
    occurred_at: datetime
    properties: Mapping[str, str]
    former_ids: tuple[str, ...] = ()
    conversation: str = ""
    other: str = ""
    parent: str = ""
    in_session: bool = False
    is_internal: bool = False
    rank: int = 0

    @property
    def names(self) -> set[str]:
        """The names that link the leg with others of its conversation."""
        return {self.id, self.conversation, self.other, self.parent} - {""}

    def event(
        self,
        *,
        source: str,
        agency: str,
        agent: str | None,
        has_former_ids: bool = True,
    ) -> IncomingEvent:
        """The usage event of the leg, if it counts, for an agent.

        `has_former_ids`: the leg may have been counted under another id.
        """
        return IncomingEvent(
            source,
            self.id,
            agency,
            agent,
            self.meter,
            self.seconds,
            self.occurred_at,
            self.properties,
            former_ids=self.former_ids if has_former_ids else (),
            is_leg=True,
        )
