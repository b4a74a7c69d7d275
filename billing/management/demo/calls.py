"""Writes the demo's call records as Asterisk servers of the agencies would."""

import csv
import random
from collections.abc import Container, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from billing.management.demo.cast import DemoAgency
from billing.metering.domain.formats.asterisk import CUSTOM, IDS, STOCK
from core.periods import next_month
from seats.models import SeatHolding

CALLS_PER_DAY = 8
MODES = ["manual", "click_to_call", "power", "multi_line", "predictive"]
OUTCOMES = ["ANSWERED"] * 45 + ["NO ANSWER"] * 45 + ["BUSY"] * 6 + ["FAILED"] * 4


def write_month(
    folder: Path,
    demo_agency: DemoAgency,
    month: date,
    rng: random.Random,
    *,
    late: bool = False,
    before: date | None = None,
    idle: Container[str] = (),
) -> tuple[Path, int]:
    """Write an agency's calls of a month to a file; returns its path and their number.

    A `late` file has a few calls that were forgotten. With `before` the calls end on the
    local date before it. Agents in `idle` place none.
    """
    suffix = "-late" if late else ""
    path = folder / f"{demo_agency.code.lower()}-{month:%Y-%m}{suffix}.csv"
    order = [*(CUSTOM if demo_agency.layout == "custom" else STOCK), *IDS]
    calls = 0
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        for agent, call in _calls(demo_agency, month, rng, late=late, before=before):
            if agent in idle:
                continue
            cells = [call[name] for name in order]
            is_anonymous = demo_agency.layout == "anonymous"
            writer.writerow(cells[: -len(IDS)] if is_anonymous else cells)
            calls += 1
    return path, calls


def _calls(
    demo_agency: DemoAgency,
    month: date,
    rng: random.Random,
    *,
    late: bool,
    before: date | None,
) -> Iterator[tuple[str, dict[str, str]]]:
    """Each call with its agent's external id."""
    end = min(next_month(month), before or date.max)
    holdings = SeatHolding.objects.filter(
        agency__code=demo_agency.code, starts_on__lt=end
    ).select_related("agent")
    for holding in holdings.order_by("agent__external_id", "starts_on"):
        day = max(holding.starts_on, month)
        until = min(holding.ends_on or end, end)
        while day < until:
            if late:
                number = int(day == end - timedelta(days=4))
            else:
                number = 0 if day.weekday() == 6 else rng.randint(0, 2 * CALLS_PER_DAY)
            for n in range(number):
                agent = holding.agent.external_id
                yield agent, _call(agent, day, n, rng, late=late)
            day += timedelta(days=1)


def _call(
    agent: str, day: date, n: int, rng: random.Random, *, late: bool
) -> dict[str, str]:
    start = datetime.combine(day, datetime.min.time()) + timedelta(
        hours=9, seconds=rng.randrange(10 * 3600)
    )
    outcome = "ANSWERED" if late else rng.choice(OUTCOMES)
    ring = rng.randint(3, 25)
    talk = 0
    if outcome == "ANSWERED":
        talk = max(1, min(int(rng.expovariate(1 / 110)), 3_600))
    answer = start + timedelta(seconds=ring)
    inbound = rng.random() < 0.12
    prospect = f"1555{rng.randrange(10**6):07d}"
    peer = f"PJSIP/{agent}-0000{rng.randrange(16**4):04x}"
    trunk = f"PJSIP/carrier-0000{rng.randrange(16**4):04x}"
    return {
        "accountcode": "" if inbound else agent,
        "src": prospect if inbound else agent,
        "dst": agent if inbound else prospect,
        "dcontext": "from-pstn" if inbound else "outbound",
        "clid": f'"Prospect" <{prospect}>',
        "channel": trunk if inbound else peer,
        "dstchannel": peer if inbound else trunk,
        "lastapp": "Dial",
        "lastdata": "",
        "start": f"{start}",
        "answer": f"{answer}" if talk else "",
        "end": f"{answer + timedelta(seconds=talk)}",
        "duration": str(ring + talk),
        "billsec": str(talk),
        "disposition": outcome,
        "amaflags": "DOCUMENTATION",
        "uniqueid": f"{agent}-{day:%Y%m%d}-{n}{'-late' if late else ''}",
        "userfield": f"mode={rng.choice(MODES)}",
    }
