"""The overview: its numbers, and the step that removes idle seats."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.test import Client

from billing.accounts.services import set_payer_shares
from billing.budgets.services.alerts import check_budgets
from billing.invoicing.services.previews import preview_documents
from billing.receivables.queries.positions import amounts_due
from core.admin.panels import PostButton
from seats.access.admin.overview import OVERVIEW
from seats.models import Agency, Seat
from tests.build import APRIL, MARCH, bill, call, documents_of, make_seats, use
from tests.crawl import Crawl
from tests.downline import BELOW, HOME, SIBLING, TOP
from tests.panels import (
    NOW,
    amount,
    file_text,
    keys_of,
    later,
    panels_of,
    rows_of,
    sunrise_owner,
    use_april,
)
from tests.staff import SEEN

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def _april_15():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def april(agencies):
    use_april(agencies)
    return agencies


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
        client = sunrise_owner("ana", "ben")
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
        for key in keys_of(OVERVIEW):
            crawl.look(key, file_text(owner, key))

        assert crawl.leaks == []
        assert amount(home["bill"].figure) == 0
        assert amount(home["run-rate"].figure) == 0
        paid = panels_of(sibling)
        assert amount(paid["bill"].figure) == billed_now(sponsor)
        assert amount(paid["run-rate"].figure) == 200
        assert paid["seats"].figure == 2
        names = {row["Agent"] for row in rows_of(sibling, "cost-by-agent")}
        assert "Other agencies that you pay for" in names
        assert "homezz" not in file_text(sibling, "cost-by-agent").lower()


class TestIdleSeats:
    def test_are_those_without_a_call_for_14_days_and_are_removed_in_a_step(self):
        client = sunrise_owner("ana", "ben", "cleo", "dan")
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
        client = sunrise_owner("ana", "ben")
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
