"""The default meters and price list. Pure."""

from decimal import Decimal

from billing.pricing.domain.rating import RateTerms

LIST_CODE = "STD"
CURRENCY = "USD"
SEAT_PRICE = Decimal(50)
SEAT_INCLUDES = [
    "Manual dialing",
    "Click-to-call dialing",
    "Power dialing",
    "Multi-line dialing",
    "Predictive dialing",
    "CRM",
    "AI Sales Coach",
    "AI compliance scoring",
    "Call recording",
]

# code, name, raw unit, billed unit, minimum, increment, unit size, price, included
_ROWS = """
voice.out      | Outbound calls, US and Canada  | second | minute | 60 | 60 | 60 | 0.0180 | 0
voice.in       | Inbound calls, local           | second | minute | 60 | 60 | 60 | 0.0120 | 0
voice.in.tf    | Inbound calls, toll-free       | second | minute | 60 | 60 | 60 | 0.0280 | 0
voice.out.intl | Outbound calls, international  | second | minute | 30 | 6 | 60 | 0.0650 | 0
amd            | Answering-machine detection    | invocation | invocation | 0 | 1 | 1 | 0.0035 | 0
vm_drop        | Voicemail drop                 | drop | drop | 0 | 1 | 1 | 0.0125 | 0
sms.segment    | SMS segments                   | segment | segment | 0 | 1 | 1 | 0.0110 | 0
mms            | MMS messages                   | message | message | 0 | 1 | 1 | 0.0280 | 0
sms.carrier    | SMS carrier pass-through       | segment | segment | 0 | 1 | 1 | 0.0030 | 0
rec.storage    | Recording storage            | minute-month | minute-month |  0| 1| 1 | 0.0005 | 0
ai.minute      | AI coach, scoring, transcripts | second | minute | 60 | 60 | 60 | 0.0120 | 3000
"""


def default_meters() -> list[tuple[str, str, str, str]]:
    """Code, name, raw unit and billed unit of each meter."""
    return [(row[0], row[1], row[2], row[3]) for row in _table()]


def default_rates() -> list[RateTerms]:
    """The rate of each meter on the default list."""
    return [
        RateTerms(
            meter=row[0],
            minimum=Decimal(row[4]),
            increment=Decimal(row[5]),
            unit_size=Decimal(row[6]),
            model="per_unit",
            unit_price=Decimal(row[7]),
            included_per_seat=Decimal(row[8]),
        )
        for row in _table()
    ]


def _table() -> list[list[str]]:
    return [
        [cell.strip() for cell in line.split("|")]
        for line in _ROWS.strip().splitlines()
    ]
