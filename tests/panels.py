"""Pages of panels as tests read them: panels, files and the amounts in them."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import time_machine
from django.test import Client

from core.admin.panels import Money, Panel
from seats.models import Agency, Agent, User
from tests.build import call, make_agency, make_prices, make_seats, use
from tests.members import member

NOW = datetime(2026, 4, 15, 16, tzinfo=UTC)
HOME_PAGE, USAGE_PAGE = "/agency/", "/agency/usage/"


def use_april(agencies: dict[str, Agency]) -> None:
    """Calls of April: of each agency by two agents, with dial modes of their own."""
    for code in agencies:
        mark = code.lower()
        by = {"occurred_at": datetime(2026, 4, 9, 16, tzinfo=UTC)}
        mode = {"dial_mode": f"{mark}-mode"}
        use(
            call(code, agent=f"{mark}-1", properties=mode, **by),
            call(code, agent=f"{mark}-2", properties=mode, **by),
            call(code, agent=f"{mark}-2", meter="sms.segment", quantity=Decimal(5), **by),
            now=NOW,
        )  # fmt: skip


@contextmanager
def later(now: datetime, client: Client) -> Iterator[None]:
    """Another time, at which the person logs in once more."""
    user = User.objects.get(pk=client.session["_auth_user_id"])
    with time_machine.travel(now, tick=False):
        client.force_login(user)
        yield


def panels_of(client: Client, path: str = HOME_PAGE) -> dict[str, Panel]:
    answer = client.get(path)
    assert answer.status_code == 200
    return {panel.key: panel for panel in answer.context["panels"]}


def rows_of(client: Client, key: str, path: str = HOME_PAGE) -> list[dict[str, str]]:
    """The rows of a panel's file."""
    answer = client.get(f"{path}{'&' if '?' in path else '?'}csv={key}")
    assert answer.status_code == 200, key
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(text_of(answer))))


def text_of(answer: Any) -> str:
    """A file as text."""
    return b"".join(answer.streaming_content).decode()


def amount(cell: Any) -> Decimal:
    assert isinstance(cell, Money), cell
    return cell.amount


def sunrise_owner(*agents: str) -> Client:
    """The owner of an agency with a seat for each agent from March on."""
    make_prices()
    agency = make_agency()
    make_seats(agency, *agents)
    client: Client = member(agency, "owner")
    return client


def call_each(agency: Agency) -> None:
    use(
        *(
            call(agent=agent.external_id, occurred_at=NOW - timedelta(hours=1))
            for agent in Agent.objects.filter(agency=agency)
        ),
        now=NOW,
    )


def keys_of(page: Any) -> list[str]:
    return [slot.key for slot in page.slots]


def file_text(client: Client, key: str, path: str = HOME_PAGE) -> str:
    answer = client.get(path, {"csv": key})
    if answer.status_code != 200:
        return ""
    return text_of(answer)


def visible(text: str) -> str:
    """The panels of a page, also what their charts show, without the theme's frame."""
    return text.partition('<div class="panels">')[2].partition("<script")[0]
