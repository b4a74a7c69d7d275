"""Running bills against the documents, the forecast of the API and sums done by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.accounts.services import set_payer_shares
from billing.invoicing.domain.bill_changes import (
    LATE,
    PRICES,
    SEATS,
    TAX,
    BillItem,
    changes_between,
    total_of,
)
from billing.invoicing.models.documents import DocumentLine
from billing.invoicing.queries.agent_costs import NOBODY, OTHERS, agent_costs
from billing.invoicing.queries.month_usage import month_forecast
from billing.invoicing.queries.statements import seats_behind
from billing.invoicing.services.documents import void_document
from billing.invoicing.services.previews import preview_documents
from billing.invoicing.services.running_bills import RunningBill, running_bills
from billing.metering.domain.events import IncomingEvent
from seats.models import Agency
from seats.roster.services.seats import remove_seats
from tests.build import (
    APRIL,
    MARCH,
    bill,
    call,
    documents_of,
    make_agency,
    make_other_prices,
    make_prices,
    make_seats,
    totals,
    use,
)

pytestmark = pytest.mark.django_db
APRIL_15 = datetime(2026, 4, 15, 16, tzinfo=UTC)
TODAY = APRIL_15.date()


def usd(text: str) -> Decimal:
    return Decimal(text)


@pytest.fixture(autouse=True)
def no_review(settings):
    settings.BILLING = {
        **settings.BILLING, "REVIEW_WINDOW": None, "BACKDATE_DAYS": 400,
        "LATE_DAYS": 400, "OUTLIER_FLOOR_SEATS": 10**9,
    }  # fmt: skip


@pytest.fixture
def sunrise() -> Agency:
    """Two seats in March, one more from 10 April; March is billed at 100.00 and 0.54."""
    make_prices()
    agency = make_agency()
    make_seats(agency, "ana", "ben")
    use(*calls(10, on=date(2026, 3, 10), agent="ana"))
    bill(MARCH)
    make_seats(agency, "cleo", on=date(2026, 4, 10), now=APRIL_15)
    return agency


def calls(number: int, *, on: date, agent: str | None = None) -> list[IncomingEvent]:
    """Calls of 135 seconds, which are billed as 3 minutes, at noon."""
    noon = datetime(on.year, on.month, on.day, 16, tzinfo=UTC)
    return [
        call(agent=agent, occurred_at=noon + timedelta(seconds=n))
        for n in range(number)
    ]


def april(*payers: Agency) -> list[RunningBill]:
    bills = running_bills(payer_ids={p.pk for p in payers}, month=APRIL, now=APRIL_15)
    return [bills[payer.pk] for payer in payers]


def share(agency: Agency, payer: Agency, percent: int, *, on: date) -> None:
    parts = {payer: Decimal(percent), agency: Decimal(100 - percent)}
    set_payer_shares(
        agency=agency, shares={who: part for who, part in parts.items() if part},
        starts_on=on, actor="test", now=APRIL_15,
    )  # fmt: skip


class TestSoFar:
    def test_is_the_document_that_closing_writes(self, sunrise):
        """Also with a sponsor from the 11th on, and late calls of March."""
        harbor = make_agency("HARBOR")
        share(sunrise, harbor, 40, on=date(2026, 4, 11))
        use(*calls(7, on=date(2026, 3, 20), agent="ben"), now=APRIL_15)
        use(
            *calls(33, on=date(2026, 4, 5)),
            *calls(41, on=date(2026, 4, 14)),
            now=APRIL_15,
        )

        own, sponsored = april(sunrise, harbor)
        previews = [
            preview_documents(payer=payer, month=APRIL, now=APRIL_15)
            for payer in (sunrise, harbor)
        ]
        bill(APRIL)

        assert [own.total, sponsored.total] == [
            sum(line.amount for line in document.lines) for (document,) in previews
        ]
        assert [own.total] == totals(sunrise)[1:]
        assert [sponsored.total] == totals(harbor)
        late = [item for item in own.so_far if item.thing == LATE]
        assert total_of(late) == usd("0.38")  # 21 minutes more than 30 in March
        assert own.total + sponsored.total == usd("135.00") + usd("4.00") + usd("0.38")

    def test_of_who_pays_nothing_is_nothing(self, sunrise):
        harbor = make_agency("HARBOR")
        share(sunrise, harbor, 100, on=APRIL)

        own, sponsored = april(sunrise, harbor)

        assert own.total == own.expected_total == own.run_rate == 0
        assert sponsored.total == usd("135.00")

    def test_before_is_the_bill_of_the_month_before(self, sunrise):
        (own,) = april(sunrise)

        assert [total_of(own.before)] == totals(sunrise) == [usd("100.54")]

    def test_bills_again_what_a_void_document_had(self, sunrise):
        (document,) = documents_of(sunrise)
        void_document(
            document_id=document.pk, actor="test", reason="test", now=APRIL_15
        )

        (own,) = april(sunrise)

        assert own.before == []
        late = [item for item in own.so_far if item.thing == LATE]
        assert total_of(late) == document.total == usd("100.54")

    def test_before_is_computed_while_it_is_not_billed(self, sunrise):
        other = make_agency("LATECOMER")
        make_seats(other, "dan", on=date(2026, 3, 17))

        (running,) = april(other)
        bill(MARCH, payer=other)

        assert total_of(running.before) == totals(other)[0] == usd("24.19")

    def test_stops_where_a_price_is_missing(self, sunrise):
        euro = make_agency("EURO", currency="EUR")
        make_seats(euro, "eve")

        own, other = april(sunrise, euro)

        assert own.is_priced
        assert not other.is_priced
        assert other.so_far == other.expected == []


class TestExpected:
    def test_adds_the_average_of_the_dates_over_for_each_date_left(self, sunrise):
        """14 dates over with 1,400 minutes: 100 a day, so 3,000 by the 30th."""
        for day in range(1, 15):
            use(
                call(quantity=Decimal(6000), occurred_at=APRIL_15.replace(day=day)),
                now=APRIL_15,
            )

        (own,) = april(sunrise)

        assert own.total == usd("135.00") + usd("25.20")
        assert own.expected_total == usd("135.00") + usd("54.00")

    def test_is_the_forecast_of_the_api(self, sunrise):
        use(*calls(33, on=date(2026, 4, 5)), *calls(9, on=TODAY), now=APRIL_15)

        (own,) = april(sunrise)

        forecast = month_forecast(agency=sunrise, month=APRIL, today=TODAY)
        assert own.expected_total == forecast.forecast_total
        assert own.total == forecast.total

    def test_of_several_payers_sums_to_the_forecast(self, sunrise):
        harbor = make_agency("HARBOR")
        share(sunrise, harbor, 40, on=date(2026, 4, 20))
        use(*calls(33, on=date(2026, 4, 5)), now=APRIL_15)

        own, sponsored = april(sunrise, harbor)

        forecast = month_forecast(agency=sunrise, month=APRIL, today=TODAY)
        assert own.expected_total + sponsored.expected_total == forecast.forecast_total
        # Usage is expected alike on the dates left: 11 of 16 of them are shared.
        more = forecast.forecast_total - forecast.total
        (seats,) = [i.amount for i in sponsored.expected if i.thing == SEATS]
        usage = sponsored.expected_total - seats
        assert abs(usage - more * 11 / 16 * Decimal("0.4")) < usd("0.02")

    def test_on_the_first_day_is_by_last_month(self, sunrise):
        now = datetime(2026, 4, 1, 16, tzinfo=UTC)

        (own,) = running_bills(payer_ids=[sunrise.pk], month=APRIL, now=now).values()

        forecast = month_forecast(agency=sunrise, month=APRIL, today=APRIL)
        assert forecast.basis == "last_month"
        assert own.expected_total == forecast.forecast_total > own.total


class TestChanges:
    def test_sum_to_the_difference_with_new_prices_apart(self, sunrise):
        make_other_prices(starts_on=APRIL)
        use(*calls(50, on=date(2026, 4, 5)), now=APRIL_15)
        use(*calls(7, on=date(2026, 3, 20)), now=APRIL_15)

        (own,) = april(sunrise)
        changes = {
            change.thing: change for change in changes_between(own.before, own.so_far)
        }

        # 81 seat days less the 62 of March. Calls count as the list of their month
        # counts them: 50 x 138 s are 115 minutes, 10 x 180 s in March are 30.
        assert (changes[SEATS].before, changes[SEATS].now) == (usd("100"), usd("135"))
        assert changes[SEATS].more == 19
        assert changes["voice.out"].now == usd("2.07")
        assert changes["voice.out"].more == 85
        assert changes[LATE].amount == usd("0.38")
        # 81 x 43.99 / 30 = 118.773; 90 x 0.0210 + 25 x 0.0155 = 2.2775.
        assert own.has_new_prices
        assert changes[PRICES].amount == usd("118.77") - 135 + usd("2.28") - usd("2.07")
        assert sum(c.amount for c in changes.values()) == own.total - usd("100.54")

    def test_have_no_prices_where_the_list_is_the_same(self, sunrise):
        (own,) = april(sunrise)

        assert not own.has_new_prices
        assert PRICES not in {c.thing for c in changes_between(own.before, own.so_far)}

    @given(
        st.lists(
            st.builds(
                BillItem,
                st.integers(1, 3),
                st.sampled_from([SEATS, LATE, TAX, "voice.out", "sms.segment"]),
                st.decimals(0, 10**6, places=2),
                st.decimals(-(10**6), 10**6, places=2),
                st.decimals(-(10**6), 10**6, places=2),
            )
        ),
        st.integers(0, 20),
    )
    def test_sum_to_the_difference_of_any_two_bills(self, items, place):
        before, now = items[:place], items[place:]

        changes = changes_between(before, now)

        assert sum(c.amount for c in changes) == total_of(now) - total_of(before)


class TestRunRate:
    def test_is_the_price_of_the_seats_of_today_by_who_pays_today(self, sunrise):
        harbor = make_agency("HARBOR")
        share(sunrise, harbor, 40, on=date(2026, 4, 11))
        seat = make_seats(sunrise, "dan", now=APRIL_15)[0]
        remove_seats(
            seats=[seat], on=date(2026, 4, 12), actor="test", now=APRIL_15, staff=True,
            reason="test",
        )  # fmt: skip

        own, sponsored = april(sunrise, harbor)

        assert (own.run_rate, sponsored.run_rate) == (usd("90.00"), usd("60.00"))
        assert own.seat_costs[sunrise.pk] == usd("30.00")
        assert sponsored.seat_costs[sunrise.pk] == usd("20.00")


class TestRounding:
    def test_costs_the_charge_less_that_of_the_seconds_talked(self, sunrise):
        """10 calls: 30 minutes for 0.54; 22.5 talked would be 0.405, so 0.41."""
        use(*calls(10, on=date(2026, 4, 5)), now=APRIL_15)

        (own,) = april(sunrise)

        (cost,) = own.rounding
        assert cost.meter == "voice.out"
        assert (cost.raw, cost.billable) == (usd("1350"), usd("1800"))
        assert cost.amount == usd("0.13")


class TestAgentCosts:
    def test_are_those_of_the_seat_statement_and_sum_to_the_bill(self, sunrise):
        use(
            *calls(20, on=date(2026, 4, 5), agent="ana"),
            *calls(10, on=date(2026, 4, 11), agent="cleo"),
            *calls(5, on=date(2026, 4, 11)),
            now=APRIL_15,
        )
        (own,) = april(sunrise)

        costs = agent_costs(
            own.so_far, agency_ids={sunrise.pk}, month=APRIL, currency="USD"
        )
        bill(APRIL)

        assert costs
        by_name = {cost.name: cost for cost in costs}
        line = DocumentLine.objects.select_related("document").get(
            document=documents_of(sunrise)[1], kind="seat"
        )
        assert {row.agent: row.amount for row in seats_behind(line)} == {
            name.partition("(")[2].rstrip(")"): cost.seats
            for name, cost in by_name.items()
            if cost.seats
        }
        # 60, 30 and 15 of 105 minutes, which cost 1.89.
        assert by_name["Ana (ana)"].usage == usd("1.08")
        assert by_name["Cleo (cleo)"].usage == usd("0.54")
        assert by_name[NOBODY].usage == usd("0.27")
        assert sum(cost.total for cost in costs) == own.total

    def test_name_no_agent_of_an_agency_that_is_not_reached(self, sunrise):
        harbor = make_agency("HARBOR")
        share(sunrise, harbor, 40, on=date(2026, 4, 11))
        (sponsored,) = april(harbor)

        costs = agent_costs(
            sponsored.so_far, agency_ids={harbor.pk}, month=APRIL, currency="USD"
        )

        assert costs
        assert [(cost.name, cost.total) for cost in costs] == [
            (OTHERS, sponsored.total)
        ]


def test_the_number_of_queries_does_not_depend_on_agents_and_payers(sunrise):
    use(*calls(2, on=date(2026, 4, 5), agent="ana"), now=APRIL_15)
    april(sunrise)  # price lists are read once for a process
    with CaptureQueriesContext(connection) as few:
        april(sunrise)
    make_seats(sunrise, *(f"agent-{n}" for n in range(50)), now=APRIL_15)
    others = [make_agency(f"A{n}") for n in range(5)]
    for other in others:
        make_seats(other, "ana", "ben")
    bill(MARCH)
    make_seats(others[0], "cleo", now=APRIL_15)

    with CaptureQueriesContext(connection) as many:
        april(sunrise, *others)

    assert len(many) == len(few) <= 25
