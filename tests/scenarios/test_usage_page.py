"""Who sees what on the overview and on the page of usage, and how much they read."""

import re

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.metering.admin.usage import USAGE
from billing.metering.models import UsageEvent
from seats.access.admin.overview import OVERVIEW
from seats.models import Agency, Agent
from tests.build import APRIL, MARCH, bill, make_seats
from tests.crawl import Crawl
from tests.downline import BELOW, SIBLING, STRANGER
from tests.panels import (
    HOME_PAGE,
    NOW,
    USAGE_PAGE,
    call_each,
    file_text,
    keys_of,
    panels_of,
    rows_of,
    sunrise_owner,
    text_of,
    use_april,
    visible,
)

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
MONEY = re.compile(r"USD|\$|\d\.\d\d\b")
MONEY_KEYS = {"bill", "forecast", "due", "run-rate", "budgets", "cost-by-month",
              "cost-by-agent", "rounding"}  # fmt: skip


@pytest.fixture(autouse=True)
def _april_15():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def april(agencies):
    use_april(agencies)
    return agencies


class TestRoles:
    def test_supervisors_and_agents_see_no_money(self, april, people):
        for person in people[3:5]:
            for path, page in ((HOME_PAGE, OVERVIEW), (USAGE_PAGE, USAGE)):
                text = person.client.get(path).content.decode()
                assert not MONEY.search(visible(text)), (person.name, path)
                for key in keys_of(page):
                    answer = person.client.get(path, {"csv": key})
                    if key in MONEY_KEYS:
                        assert answer.status_code == 404, key
                    if answer.status_code == 200:
                        body = text_of(answer)
                        assert not MONEY.search(body), (person.name, key)

    def test_supervisors_see_seats_and_usage_of_their_agency(self, april, people):
        panels = panels_of(people[3].client)

        assert set(panels) == {
            "seats",
            "idle-seats",
            "seats-by-day",
            "minutes",
            "lately",
        }
        assert panels["seats"].figure == 2

    def test_agents_see_their_own_seat_and_minutes(self, april, people):
        agent = people[4].client
        panels = panels_of(agent)

        assert set(panels) == {"seats", "minutes"}
        assert panels["seats"].sentences == ["You have held a seat since 2026-03-20."]
        days = {row["Day"]: row for row in rows_of(agent, "minutes")}
        assert days["2026-04-09"]["homezz-mode"] == "3"
        (own, total) = rows_of(agent, "by-agent", USAGE_PAGE)
        assert own["Agent"] == "Agent 2 homezz (homezz-2)"
        assert (own["Calls"], total["Calls"]) == ("1", "1")
        text = agent.get(USAGE_PAGE).content.decode()
        assert "homezz-1" not in text
        other = Agent.objects.get(external_id="homezz-1")
        for pk in (other.pk, 987_654_321):
            assert panels_of(agent, f"{USAGE_PAGE}?agent={pk}") == {}

    def test_billing_viewers_see_money_and_no_buttons(self, april, people):
        panels = panels_of(people[2].client)

        assert set(panels) >= MONEY_KEYS
        assert not any(panel.buttons for panel in panels.values())
        assert not any(link.button for p in panels.values() for link in p.links)

    def test_nobody_sees_anything_of_others(self, april, people):
        """Pages, files, filters, and agencies that are named in the address."""
        for person in people:
            crawl = Crawl(person)
            for path, page in ((HOME_PAGE, OVERVIEW), (USAGE_PAGE, USAGE)):
                crawl.get(path)
                for key in keys_of(page):
                    crawl.look(key, file_text(person.client, key, path))
                    for code in (STRANGER, SIBLING):
                        if code not in person.reaches:
                            crawl.compare(
                                f"{path}?csv={key}&agency={{}}", code, "NOBODYZZ"
                            )
                for code in sorted(person.foreign):
                    crawl.compare(f"{path}?agency={{}}", code, "NOBODYZZ")
                    assert crawl.get(f"{path}?agency={code}")[0] == 404
            assert crawl.leaks == [], person.name

    def test_what_is_not_there_answers_404(self, people):
        for path in ("?csv=nothing", "?csv=", "?agency=%00", "?agency="):
            status = people[0].client.get(HOME_PAGE + path).status_code
            assert status == (200 if path == "?csv=" else 404), path


class TestUsage:
    def test_is_by_day_agent_meter_and_dial_mode(self, april, people):
        client = people[0].client
        totals = {}
        for key in ("by-day", "by-agent", "by-dial-mode"):
            *rows, total = rows_of(client, key, USAGE_PAGE)
            totals[key] = [total[name] for name in
                           ("Calls", "Minutes talked", "Minutes billed", "Messages")]  # fmt: skip
            assert sum(int(row["Calls"]) for row in rows) == 4
        meters = {row["Meter"]: row for row in rows_of(client, "by-meter", USAGE_PAGE)}

        assert UsageEvent.objects.filter(used_on__gte=APRIL).count() == 15
        assert set(map(tuple, totals.values())) == {("4", "9", "12", "10")}
        out = meters["Outbound calls, US and Canada"]
        assert (out["Raw"], out["Billed"], out["Unit"]) == ("9", "12", "minutes")
        assert meters["SMS segments"]["Billed"] == "10"

    def test_is_narrowed_by_each_filter(self, april, people):
        client = people[0].client
        agent = Agent.objects.get(external_id="homezz-1")
        for query, calls in {
            "month=2026-03": "4", f"agent={agent.pk}": "1", "meter=sms.segment": "0",
            "dial_mode=belowzz-mode": "2", f"agency={BELOW}": "2",
            f"agency={BELOW}&month=2026-04&agent=&meter=voice.out&dial_mode=": "2",
        }.items():  # fmt: skip
            *_, total = rows_of(client, "by-day", f"{USAGE_PAGE}?{query}")
            assert total["Calls"] == calls, query

    @pytest.mark.parametrize(
        "query",
        ["month=2026-13", "month=%00", "agent=x", "agent=%00", "meter=nothing",
         "dial_mode=strangerzz-mode", "month=١٢"],
    )  # fmt: skip
    def test_shows_nothing_for_what_is_not_offered(self, april, people, query):
        answer = people[0].client.get(f"{USAGE_PAGE}?{query}")

        assert answer.status_code == 200
        assert answer.context["panels"] == []
        assert (
            people[0].client.get(f"{USAGE_PAGE}?{query}&csv=by-day").status_code == 404
        )


@pytest.mark.parametrize("path", [HOME_PAGE, USAGE_PAGE])
def test_the_number_of_queries_does_not_depend_on_agents(settings, path):
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    client = sunrise_owner(*(f"agent-{n}" for n in range(5)))
    agency = Agency.objects.get()
    bill(MARCH)
    call_each(agency)
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        panels_of(client, path)
    make_seats(agency, *(f"more-{n}" for n in range(45)), now=NOW)
    call_each(agency)
    with CaptureQueriesContext(connection) as many:
        panels_of(client, path)

    assert len(many) == len(few) < 75


def test_the_number_of_queries_does_not_depend_on_agencies(april, people):
    top, below = people[-1].client, people[5].client
    counts = []
    for client in (top, below, top, below):
        with CaptureQueriesContext(connection) as queries:
            panels_of(client)
        counts.append(len(queries))

    # The table of agencies is only there for several of them.
    assert 0 <= counts[2] - counts[3] <= 3
