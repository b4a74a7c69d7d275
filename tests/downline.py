"""Five agencies with a row in every table of theirs, and people who look at them.

Every text of an agency contains its marker, which is its code in lower case, so whatever
a page shows of an agency is found by a search for the marker.

    TOPZZ ── HOMEZZ ── BELOWZZ        STRANGERZZ
         └── SIBLINGZZ
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.test import Client

from billing.budgets.services.budgets import add_budget
from billing.metering.models import RejectedRow, UsageImport
from billing.metering.services.dial_plans import set_dial_plan
from billing.receivables.models import Refund
from billing.receivables.services.payments import receive_payment
from billing.webhooks.services.endpoints import add_endpoint
from billing.webhooks.services.fanout import fan_out_due
from seats.agencies.services import add_agency
from seats.api_keys.services import create_key
from seats.members.services import create_invitation
from seats.models import Agency, Agent, Member, User
from seats.roster.services.seats import add_seats, hand_over_seats
from seats.support.services import allow_changes
from tests.build import APRIL_2, MARCH, MARCH_1, MAY_2, bill, call, make_prices, use
from tests.staff import log_in

ROLES = ["owner", "admin", "billing_viewer", "supervisor", "agent"]
HOME, TOP, BELOW = "HOMEZZ", "TOPZZ", "BELOWZZ"
SIBLING, STRANGER = "SIBLINGZZ", "STRANGERZZ"
UPLINES = {TOP: None, HOME: TOP, BELOW: HOME, SIBLING: TOP, STRANGER: None}
MARCH_3 = MARCH_1 + timedelta(days=2)
FOREIGN_TO_HOME = {TOP, SIBLING, STRANGER}


@dataclass(frozen=True)
class Person:
    """Somebody who logs in, and the agencies whose rows such a person may see."""

    name: str
    role: str
    client: Client
    reaches: frozenset[str]

    @property
    def foreign(self) -> set[str]:
        return set(UPLINES) - self.reaches


def make_downline(settings: Any) -> dict[str, Agency]:
    """The agencies by code; March is billed and paid, with credit left."""
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    make_prices()
    agencies: dict[str, Agency] = {}
    for code, upline in UPLINES.items():
        agencies[code] = _make_agency(code, agencies.get(upline or ""))
    bill(MARCH)
    for agency in agencies.values():
        _make_money(agency)
    fan_out_due(now=APRIL_2)
    return agencies


def make_people(
    agencies: dict[str, Agency], *, password: str = "a b c"
) -> list[Person]:
    """Each role at HOMEZZ, and an owner of every other agency."""
    wide = frozenset({HOME, BELOW})
    by = {"password": password}
    reaches = {"supervisor": frozenset({HOME}), "agent": frozenset({HOME})}
    people = [
        _person(agencies[HOME], role, reaches.get(role, wide), **by) for role in ROLES
    ]
    people += [
        _person(agencies[BELOW], "owner", frozenset({BELOW}), **by),
        _person(agencies[SIBLING], "owner", frozenset({SIBLING}), **by),
        _person(agencies[STRANGER], "owner", frozenset({STRANGER}), **by),
        _person(agencies[TOP], "owner", frozenset(UPLINES) - {STRANGER}, **by),
    ]
    return people


def _person(
    agency: Agency, role: str, reaches: frozenset[str], *, password: str
) -> Person:
    name = f"{role}@{agency.code}".lower()
    user = User.objects.create_user(f"{name}.example.com", password)
    holder = Agent.objects.filter(agency=agency, external_id__endswith="-2")
    agent = holder.get() if role == "agent" else None
    Member.objects.create(
        user=user, agency=agency, role=role, agent=agent, created_at=MARCH_1
    )
    return Person(name, role, log_in(user), reaches)


def _make_agency(code: str, upline: Agency | None) -> Agency:
    mark = code.lower()
    agency = add_agency(
        code=code, name=f"Agency {mark}", zone="America/New_York", currency="USD",
        now=MARCH_1, actor=f"{mark}-actor", upline=upline,
    )  # fmt: skip
    agents = [
        Agent.objects.create(
            agency=agency, external_id=f"{mark}-{n}", name=f"Agent {n} {mark}",
            email=f"{n}@{mark}.example.com", npn=str(agency.pk), created_at=MARCH_1,
        )
        for n in range(3)
    ]  # fmt: skip
    by = {**_by(agency), "reason": f"{mark}-reason"}
    seats = add_seats(agents=agents[:2], on=MARCH, staff=True, **by)
    moves = [(seats[0], agents[2])]
    hand_over_seats(moves=moves, on=MARCH.replace(day=20), staff=True, **by)
    _make_usage(agency)
    set_dial_plan(
        agency=agency, inbound_words=[f"{mark}-in"], outbound_words=[f"{mark}-out"],
        **_by(agency),
    )  # fmt: skip
    add_budget(agency=agency, owner=upline, amount=Decimal(100), **_by(agency))
    add_endpoint(
        agency=agency, owner=agency, url=f"https://{mark}.example.com/hooks",
        description=f"{mark} hooks", **_by(agency),
    )  # fmt: skip
    create_key(
        agency=agency, scopes=["usage:write"], label=f"{mark} key", **_by(agency)
    )
    return agency


def _by(agency: Agency) -> dict[str, Any]:
    return {"actor": f"{agency.code.lower()}-actor", "now": MARCH_1}


def _make_usage(agency: Agency) -> None:
    mark = agency.code.lower()
    use(
        call(agency.code, agent=f"{mark}-0", id=f"{mark}-call"),
        call(agency.code, agent=f"{mark}-2", properties={"dial_mode": f"{mark}-mode"}),
        call(agency.code, agent=f"{mark}-nobody", id=f"{mark}-lost"),
    )
    record = UsageImport.objects.create(
        agency=agency, file_name=f"{mark}.csv", file_hash=f"{mark}".ljust(64, "0"),
        format="csv", state="done", actor=f"{mark}-actor", created_at=MARCH_1,
        file_size=9, finished_at=MARCH_1, next_attempt_at=MARCH_1,
        uploaded=False, rows=2, accepted=1, rejected=1,
    )  # fmt: skip
    RejectedRow.objects.create(
        usage_import=record, row=1, code="unknown_agent", message=f"{mark} is unknown",
        cells=[mark],
    )  # fmt: skip


def _make_money(agency: Agency) -> None:
    mark = agency.code.lower()
    payment = receive_payment(
        payer=agency, amount=Decimal(500), currency="USD", processor="manual",
        reference=f"{mark}-transfer", now=APRIL_2, method="bank_transfer",
        actor=f"{mark}-actor",
    )  # fmt: skip
    Refund.objects.create(
        payment=payment, amount=1, reference=f"{mark}-refund", reason=f"{mark}-reason",
        actor=f"{mark}-actor", refunded_at=MAY_2,
    )  # fmt: skip
    staff, _ = User.objects.get_or_create(email="staffzz@example.com", is_staff=True)
    create_invitation(
        agency=agency, email=f"guest@{mark}.example.com", role="admin",
        invited_by=staff, page_url="https://example.com/", now=MARCH_1,
    )  # fmt: skip
    boss = User.objects.create_user(f"boss@{mark}.example.com", "a b c")
    allow_changes(agency=agency, allowed_by=boss, until=MARCH_3, now=MARCH_1)
    LogEntry.objects.log_actions(staff.pk, [agency], CHANGE, f"staffzz changed {mark}")
