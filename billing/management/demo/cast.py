"""The agencies and names of the demo. Pure data."""

from dataclasses import dataclass

STAFF_EMAIL = "staff@dialer.example"
# Members of agencies: e-mail address, agency, role. The agent is the first of its agency.
DEMO_MEMBERS = [
    ("imo@harbor.example", "HARBOR", "owner"),
    ("owner@sunrise.example", "SUNRISE", "owner"),
    ("admin@sunrise.example", "SUNRISE", "admin"),
    ("books@sunrise.example", "SUNRISE", "billing_viewer"),
    ("floor@sunrise.example", "SUNRISE", "supervisor"),
    ("agent@sunrise.example", "SUNRISE", "agent"),
]


@dataclass(frozen=True, slots=True)
class DemoAgency:
    """An agency of the demo, its upline, and how many agents it starts with.

    `layout` is the format of its Asterisk's call records: stock, without unique ids
    (anonymous), or in the order of the cdr_custom sample.
    """

    code: str
    name: str
    zone: str
    upline: str | None
    agents: int
    layout: str = "stock"


DEMO_AGENCIES = [
    DemoAgency("HARBOR", "Harbor Marketing (IMO)", "America/Chicago", None, 4),
    DemoAgency("SUNRISE", "Sunrise Final Expense", "America/New_York", "HARBOR", 16),
    DemoAgency("LAKESIDE", "Lakeside Senior Benefits", "America/Chicago", "HARBOR", 12),
    DemoAgency("REDROCK", "Red Rock Life", "America/Denver", "HARBOR", 10, "anonymous"),
    DemoAgency(
        "PACIFIC", "Pacific Legacy", "America/Los_Angeles", "HARBOR", 5, "custom"
    ),
    DemoAgency("BAYOU", "Bayou Agency", "America/New_York", "LAKESIDE", 5),
    DemoAgency("DESERT", "Desert Bloom Agency", "America/Phoenix", "REDROCK", 4),
]
DEMO_CODES = {demo_agency.code for demo_agency in DEMO_AGENCIES}
LEAVING_AGENCY = "PACIFIC"  # ends all its seats with the first month
MOVING_AGENCY, NEW_UPLINE = "DESERT", "LAKESIDE"

# Whose seats are paid for although they place no calls any more in the current month.
IDLE_AGENTS = {f"sunrise{number}" for number in (104, 107, 109)} | {"lakeside105"}

FIRST_NAMES = (
    "Ana Ben Carla Dev Elena Frank Grace Hugo Iris Jamal Kim Luis Maya Noah Olga Paul"
    " Quinn Rosa Sam Tess Uma Victor Wanda Xavier Yara Zane"
).split()
LAST_NAMES = (
    "Adams Brooks Castro Diaz Evans Flores Grant Hayes Irwin Jones Klein Lopez Moore"
    " Nguyen Ortiz Patel Reed Silva Tran Vega Walsh Young"
).split()
