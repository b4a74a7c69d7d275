"""The overview and the page of usage: their numbers, and who sees them."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from billing.accounts.services import set_payer_shares
from billing.budgets.services.alerts import check_budgets
from billing.invoicing.services.previews import preview_documents
from billing.metering.admin.usage import USAGE
from billing.metering.models import UsageEvent
from billing.receivables.queries.positions import amounts_due
from core.admin.panels import Money, Panel, PostButton
from seats.access.admin.overview import OVERVIEW
from seats.models import Agency, Agent, Seat, User
from tests.build import (
    APRIL,
    MARCH,
    bill,
    call,
    documents_of,
    make_agency,
    make_prices,
    make_seats,
    use,
)
from tests.crawl import Crawl
from tests.downline import BELOW, HOME, SIBLING, STRANGER, TOP
from tests.members import member
from tests.staff import SEEN

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NOW = datetime(2026, 4, 15, 16, tzinfo=UTC)
MONEY = re.compile(r"USD|\$|\d\.\d\d\b")
MONEY_KEYS = {"bill", "forecast", "due", "run-rate", "budgets", "cost-by-month",
              "cost-by-agent", "rounding"}  # fmt: skip
HOME_PAGE, USAGE_PAGE = "/agency/", "/agency/usage/"


@pytest.fixture(autouse=True)
def _april_15():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def april(agencies):
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
    return agencies


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


def billed_now(payer: Agency) -> Decimal:
    """What closing April now would write, by the preview of the API."""
    documents = preview_documents(payer=payer, month=APRIL, now=NOW)
    return sum(
        (line.amount for d in documents if d.month == APRIL for line in d.lines),
        Decimal(0),
    )


class TestNumbers:
    def test_of_an_owner_are_those_of_previews_invoices_and_payments(
        self, april, people
    ):
        """HOMEZZ and BELOWZZ, each with two seats and two calls of 3 minutes."""
        panels = panels_of(people[0].client)
        payers = [april[HOME], april[BELOW]]

        expected = sum(billed_now(payer) for payer in payers)
        assert amount(panels["bill"].figure) == expected > 0
        assert amount(panels["run-rate"].figure) == 200
        assert panels["seats"].figure == 4
        rows = rows_of(people[0].client, "bill")
        assert [row["What"] for row in rows] == [
            "Seats", "SMS segments", "Outbound calls, US and Canada", "Total",
        ]  # fmt: skip
        *parts, total = [Decimal(row["Difference (USD)"]) for row in rows]
        march = sum(documents_of(payer)[0].total for payer in payers)
        assert sum(parts) == total == expected - march

    def test_of_an_upline_go_down_into_each_agency(self, april, people):
        top = people[-1].client
        rows = rows_of(top, "agencies")

        assert [row["Code"] for row in rows] == sorted([TOP, HOME, BELOW, SIBLING])
        for row in rows:
            agency = april[row["Code"]]
            alone = panels_of(top, f"/agency/?agency={agency.code}")
            assert Decimal(row["This month so far (USD)"]) == billed_now(agency)
            assert amount(alone["bill"].figure) == billed_now(agency)
            assert row["Seats"] == str(alone["seats"].figure) == "2"
            assert "agencies" not in alone

    def test_say_what_is_due_and_since_when(self, settings):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        client = _sunrise("ana", "ben")
        bill(MARCH)
        (invoice,) = documents_of(Agency.objects.get())
        assert invoice.due_at

        with later(invoice.due_at + timedelta(days=3), client):
            panel = panels_of(client)["due"]

        assert (
            amount(panel.figure) == amounts_due([invoice.pk])[invoice.pk].amount == 100
        )
        assert "100.00 USD of it is overdue." in panel.sentences
        assert panel.table
        assert [str(cell) for cell in panel.table.rows[0][1:3]] == [
            "2026-04-16",
            "3 days ago",
        ]
        (pay,) = panel.links
        assert (pay.text, pay.button) == ("Pay SUNRISE-00001", True)
        assert client.get(pay.url).status_code == 200

    def test_of_budgets_are_used_expected_and_alerted(self, april, people):
        long = [call(HOME, quantity=Decimal(81_000), occurred_at=NOW) for _ in range(4)]
        use(*long, now=NOW)
        check_budgets(now=NOW)
        (home,) = [
            row for row in rows_of(people[0].client, "budgets") if row["Agency"] == HOME
        ]
        panel = panels_of(people[0].client)["budgets"]

        # 5,400 minutes and 6 more for 0.018 each, and 5 segments for 0.011.
        assert home["Used (USD)"] == "97.37"
        assert home["Of the limit"] == "97"
        assert any("of HOMEZZ reached 80% of 100.00 USD" in s for s in panel.sentences)

    def test_of_charts_are_those_of_the_facts(self, april, people):
        client = people[0].client
        minutes = rows_of(client, "minutes")
        days = {row["Day"]: row for row in minutes}

        assert days["2026-04-09"]["homezz-mode"] == "6"
        assert days["2026-04-09"]["belowzz-mode"] == "6"
        assert days["2026-04-10"]["homezz-mode"] == "0"
        seats = {row["Day"]: row for row in rows_of(client, "seats-by-day")}
        assert [seats["2026-02-28"]["Seats"], seats["2026-03-01"]["Seats"]] == [
            "0",
            "4",
        ]
        assert seats["2026-03-01"]["Joined"] == "4"
        months = {row["Month"]: row for row in rows_of(client, "cost-by-month")}
        march = sum(documents_of(april[code])[0].total for code in (HOME, BELOW))
        assert Decimal(months["2026-03"]["Total (USD)"]) == march
        assert "2026-04 so far" in months
        (rounding,) = rows_of(client, "rounding")
        # Of 4 calls of 135 s: 12 minutes billed, 9 talked, at two payers.
        assert (rounding["Minutes talked"], rounding["Minutes billed"]) == ("9", "12")
        agents = rows_of(client, "cost-by-agent")
        total = Decimal(agents[-1]["Total (USD)"])
        assert total == amount(panels_of(client)["bill"].figure)

    def test_say_what_happened_in_plain_words(self, april, people):
        rows = rows_of(people[0].client, "lately")
        texts = {(row["Agency"], row["What"]) for row in rows}

        assert (HOME, "2 seats added, from 2026-03-01 on") in texts
        assert any(
            text.startswith("Invoice HOMEZZ-00001 for March 2026 issued: ")
            for _, text in texts
        )
        payment = "Payment of 500.00 USD received by bank transfer"
        assert {(HOME, payment), (BELOW, payment)} <= texts
        assert [row["When"] for row in rows] == sorted(
            (row["When"] for row in rows), reverse=True
        )


class TestSponsors:
    def test_see_their_part_and_the_sponsored_see_nothing_of_it(self, april, people):
        """SIBLINGZZ pays for HOMEZZ from 1 April on, and neither reaches the other."""
        sponsor = april[SIBLING]
        set_payer_shares(
            agency=april[HOME], shares={sponsor: Decimal(100)}, starts_on=APRIL,
            actor="test", now=NOW,
        )  # fmt: skip
        owner, sibling = people[0].client, people[6].client

        home = panels_of(owner, f"/agency/?agency={HOME}")
        crawl = Crawl(people[0])
        for key in _keys(OVERVIEW):
            crawl.look(key, _text_of(owner, key))

        assert crawl.leaks == []
        assert amount(home["bill"].figure) == 0
        assert amount(home["run-rate"].figure) == 0
        paid = panels_of(sibling)
        assert amount(paid["bill"].figure) == billed_now(sponsor)
        assert amount(paid["run-rate"].figure) == 200
        assert paid["seats"].figure == 2
        names = {row["Agent"] for row in rows_of(sibling, "cost-by-agent")}
        assert "Other agencies that you pay for" in names
        assert "homezz" not in _text_of(sibling, "cost-by-agent").lower()


class TestIdleSeats:
    def test_are_those_without_a_call_for_14_days_and_are_removed_in_a_step(self):
        client = _sunrise("ana", "ben", "cleo", "dan")
        make_seats(Agency.objects.get(), "eve", on=date(2026, 4, 3), now=NOW)
        for agent, day in (("ana", 2), ("ben", 1)):
            at = NOW.replace(day=day)  # unanswered, but placed
            use(call(agent=agent, occurred_at=at, quantity=Decimal(0)), now=NOW)

        panel = panels_of(client)["idle-seats"]

        # Ana called 13 days ago, ben 14; cleo and dan never; eve is newer.
        assert panel.table
        idle = [row[0] for row in panel.table.rows]
        assert sorted(map(str, idle)) == ["Ben (ben)", "Cleo (cleo)", "Dan (dan)"]
        assert "3 seats placed no call for 14 days: about 150.00 USD a month." in (
            panel.sentences
        )
        (button,) = panel.buttons
        answer = client.post(button.url, _fields(button))
        effects = [str(effect) for effect in answer.context["effects"]]
        assert answer.context["count"] == 3
        assert not any("ana" in effect for effect in effects)
        _confirm(client, button)
        assert {s.agent.external_id for s in Seat.objects.filter(removed_on=None)} == {
            "ana", "eve",
        }  # fmt: skip

    def test_are_none_where_the_dialer_names_no_agent(self):
        client = _sunrise("ana", "ben")
        use(call(occurred_at=NOW), now=NOW)

        assert panels_of(client)["idle-seats"].figure == 0

    def test_are_used_by_a_holder_before_the_hand_over(self, april, people):
        """homezz-0 held until 20 March; only its successor counts after that."""
        home = panels_of(people[0].client, f"/agency/?agency={HOME}")

        assert home["idle-seats"].figure == 0

    def test_are_not_offered_for_removal_to_who_may_not(self, april, people):
        for person in people[2:4]:
            with later(NOW + timedelta(days=9), person.client):
                panel = panels_of(person.client)["idle-seats"]
            assert panel.figure
            assert not panel.buttons


class TestRoles:
    def test_supervisors_and_agents_see_no_money(self, april, people):
        for person in people[3:5]:
            for path, page in ((HOME_PAGE, OVERVIEW), (USAGE_PAGE, USAGE)):
                text = person.client.get(path).content.decode()
                assert not MONEY.search(_visible(text)), (person.name, path)
                for key in _keys(page):
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
                for key in _keys(page):
                    crawl.look(key, _text_of(person.client, key, path))
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
    client = _sunrise(*(f"agent-{n}" for n in range(5)))
    agency = Agency.objects.get()
    bill(MARCH)
    _call_each(agency)
    client.get(path)
    with CaptureQueriesContext(connection) as few:
        panels_of(client, path)
    make_seats(agency, *(f"more-{n}" for n in range(45)), now=NOW)
    _call_each(agency)
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


def _sunrise(*agents: str) -> Client:
    """The owner of an agency with a seat for each agent from March on."""
    make_prices()
    agency = make_agency()
    make_seats(agency, *agents)
    client: Client = member(agency, "owner")
    return client


def _call_each(agency: Agency) -> None:
    use(
        *(
            call(agent=agent.external_id, occurred_at=NOW - timedelta(hours=1))
            for agent in Agent.objects.filter(agency=agency)
        ),
        now=NOW,
    )


def _keys(page: Any) -> list[str]:
    return [slot.key for slot in page.slots]


def _text_of(client: Client, key: str, path: str = HOME_PAGE) -> str:
    answer = client.get(path, {"csv": key})
    if answer.status_code != 200:
        return ""
    return text_of(answer)


def _visible(text: str) -> str:
    """The panels of a page, also what their charts show, without the theme's frame."""
    return text.partition('<div class="panels">')[2].partition("<script")[0]


def _fields(button: PostButton) -> dict[str, list[str | int]]:
    fields: dict[str, list[str | int]] = {}
    for name, value in button.fields:
        fields.setdefault(name, []).append(value)
    return fields


def _confirm(client: Client, button: PostButton) -> None:
    """Fill in the page, and confirm what it says."""
    content = {**_fields(button), "reason": "Idle", "on": "2026-04-15", "apply": "1"}
    page = client.post(button.url, content)
    seen = SEEN.search(page.content.decode())
    assert seen
    client.post(button.url, {**content, "seen": seen[1]})
