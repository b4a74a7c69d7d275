"""What each role may do, and at which agencies; `docs/access.md` is the same table.

Nobody reaches upwards. What a role does not list here, it may not do anywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What may be done on the pages of agencies."""

    VIEW_AGENCIES = "view agencies"
    VIEW_SEATS = "view seats and agents"
    CHANGE_AGENTS = "add and change agents"
    HAND_OVER_SEATS = "hand seats over"
    CHANGE_SEATS = "add, remove and transfer seats"
    VIEW_USAGE = "view usage"
    VIEW_IMPORTS = "view usage imports and quarantine"
    CHANGE_DIAL_PLANS = "change the words of dial plans"
    VIEW_MONEY = "view invoices and payments"
    VIEW_BUDGETS = "view budgets"
    CHANGE_BUDGETS = "add, change and remove budgets"
    PAY = "pay invoices"
    CHARGE_METHODS = "charge saved payment methods"
    CHANGE_METHODS = "change payment methods"
    VIEW_INTEGRATIONS = "view API keys and webhook endpoints"
    CHANGE_INTEGRATIONS = "change API keys and webhook endpoints"
    VIEW_MEMBERS = "view members"
    CHANGE_MEMBERS = "change members"
    VIEW_ACTIVITY = "view activity"


class Extent(StrEnum):
    """At which agencies a role may do something."""

    DOWNLINE = "agency and downline"
    AGENCY = "agency"
    ITSELF = "itself"  # the rows of the agent that the member is


_VIEW = {
    Action.VIEW_AGENCIES: Extent.DOWNLINE,
    Action.VIEW_SEATS: Extent.DOWNLINE,
    Action.VIEW_USAGE: Extent.DOWNLINE,
    Action.VIEW_IMPORTS: Extent.DOWNLINE,
    Action.VIEW_MONEY: Extent.DOWNLINE,
    Action.VIEW_BUDGETS: Extent.DOWNLINE,
    Action.VIEW_ACTIVITY: Extent.DOWNLINE,
}
_ADMIN = {
    **_VIEW,
    Action.CHANGE_AGENTS: Extent.DOWNLINE,
    Action.HAND_OVER_SEATS: Extent.DOWNLINE,
    Action.CHANGE_SEATS: Extent.DOWNLINE,
    Action.CHANGE_BUDGETS: Extent.DOWNLINE,
    Action.CHANGE_DIAL_PLANS: Extent.DOWNLINE,
    Action.PAY: Extent.DOWNLINE,
    Action.CHARGE_METHODS: Extent.AGENCY,
    Action.VIEW_INTEGRATIONS: Extent.AGENCY,
    Action.VIEW_MEMBERS: Extent.AGENCY,
}
# Members, keys and payment methods are an agency's own affair, also for its upline.
ROLES: Mapping[str, Mapping[Action, Extent]] = {
    "owner": {
        **_ADMIN,
        Action.CHANGE_METHODS: Extent.AGENCY,
        Action.CHANGE_INTEGRATIONS: Extent.AGENCY,
        Action.CHANGE_MEMBERS: Extent.AGENCY,
    },
    "admin": _ADMIN,
    "billing_viewer": _VIEW,
    "supervisor": {
        Action.VIEW_AGENCIES: Extent.AGENCY,
        Action.VIEW_SEATS: Extent.AGENCY,
        Action.CHANGE_AGENTS: Extent.AGENCY,
        Action.HAND_OVER_SEATS: Extent.AGENCY,
        Action.VIEW_USAGE: Extent.AGENCY,
        Action.VIEW_IMPORTS: Extent.AGENCY,
        Action.VIEW_ACTIVITY: Extent.AGENCY,
    },
    "agent": {
        Action.VIEW_SEATS: Extent.ITSELF,
        Action.VIEW_USAGE: Extent.ITSELF,
    },
}


# What the policies of the database call the rows that each action shows; the files
# `sql/row_security.sql` of the rooms say which tables they are in.
KINDS: Mapping[str, Action] = {
    "agencies": Action.VIEW_AGENCIES,
    "seats": Action.VIEW_SEATS,
    "usage": Action.VIEW_USAGE,
    "imports": Action.VIEW_IMPORTS,
    "money": Action.VIEW_MONEY,
    "budgets": Action.VIEW_BUDGETS,
    "integrations": Action.VIEW_INTEGRATIONS,
    "members": Action.VIEW_MEMBERS,
    "activity": Action.VIEW_ACTIVITY,
}


@dataclass(frozen=True, slots=True)
class Membership:
    """The role of a person at an agency; `agent_id` for the role agent."""

    agency_id: int
    role: str
    agent_id: int | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """What a person may do today: for each action, at which agencies and as whom."""

    agencies_by_action: Mapping[str, frozenset[int]]
    agents_by_action: Mapping[str, frozenset[int]]

    def agencies(self, action: str) -> frozenset[int]:
        """The ids of the agencies at which the action may be done."""
        return self.agencies_by_action.get(action, frozenset())

    def agents(self, action: str) -> frozenset[int]:
        """The ids of the agents that the person is, of whom the action may be done."""
        return self.agents_by_action.get(action, frozenset())

    def may(self, action: str) -> bool:
        """Whether the action may be done anywhere."""
        return bool(self.agencies(action) or self.agents(action))

    def kinds(self) -> dict[str, frozenset[int]]:
        """The ids within reach for each kind of rows that the database tells apart."""
        ids = {kind: self.agencies(action) for kind, action in KINDS.items()}
        # Who pays, or changes methods, sees those of its own agency and no other's.
        paying = self.agencies(Action.PAY) & ids["integrations"]
        methods = self.agencies(Action.CHANGE_METHODS) | paying
        agents = self.agents(Action.VIEW_SEATS) | self.agents(Action.VIEW_USAGE)
        return {**ids, "methods": methods, "agents": agents}


# What support may not do as a member, whatever an owner allows.
NEVER_BY_SUPPORT = frozenset(
    {
        Action.PAY,
        Action.CHANGE_METHODS,
        Action.CHANGE_INTEGRATIONS,
        Action.CHANGE_MEMBERS,
    }
)


def reach_of_support(reach: Reach, *, agency_id: int, may_change: bool) -> Reach:
    """What support may do as a member with this reach: look; change the agency at most.

    `may_change`: an owner of the agency allows it.
    """

    def allowed(action: str) -> frozenset[int]:
        agencies = reach.agencies(action)
        if Action(action).name.startswith("VIEW_"):
            return agencies
        if not may_change or action in NEVER_BY_SUPPORT:
            return frozenset()
        return agencies & {agency_id}

    return Reach(
        {action: allowed(action) for action in Action},
        {
            action: ids
            for action, ids in reach.agents_by_action.items()
            if Action(action).name.startswith("VIEW_")
        },
    )
