"""Everything that decides whether an agent may dial, in one statement."""

from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from billing.authorize.verdicts import Exceeded, Held, Known, Verdict, judge
from seats.keys.models import ApiKey
from seats.periods import ZonePeriod, local_date, month_of

# A function of the database, which keeps its plan as long as the connection lives.
ASK = "SELECT * FROM facts_for_dialing(%s, %s, %s, %s, %s, %s)"


def may_dial(*, key: ApiKey, code: str, agent: str, now: datetime) -> Verdict | None:
    """Whether an agent of an agency (by code; the key's own without) may dial now.

    None where the key does not reach the agency, or there is none.
    """
    own = key.agency.code if key.agency else ""
    code = code or own
    row = _ask(None if code == own else key.agency_id, code, agent, now)
    if row is None:
        return None
    zones, owner_zones, reached_on, agent_id, suspended, carried_on, *rest = row
    held, exceeded = rest
    today = _today(zones, now)
    if code != own and key.agency_id and _today(owner_zones, now) not in reached_on:
        return None
    known = Known(
        agent=agent_id is not None,
        suspended=suspended or today in carried_on,
        held=[
            Held(seat, _date(start), end and _date(end))
            for seat, start, end in held or []
        ],
        exceeded=[Exceeded(budget, _date(month)) for budget, month in exceeded or []],
    )
    return judge(known, today=today)


def _ask(owner: int | None, code: str, agent: str, now: datetime) -> Any:
    """Three dates, of which one is the agency's; they may lie in two months."""
    days = [now.date() + timedelta(days=n) for n in (-1, 0, 1)]
    months = list({month_of(day) for day in days})
    meters = settings.BILLING["DIALING_METERS"]
    with connection.cursor() as cursor:
        cursor.execute(ASK, [code, owner, agent, days, months, meters])
        return cursor.fetchone()


def _today(zones: list[tuple[str, str]], now: datetime) -> date:
    return local_date(now, [ZonePeriod(_date(start), zone) for start, zone in zones])


def _date(text: str) -> date:
    return date.fromisoformat(text)
