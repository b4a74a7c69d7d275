"""Validation of events: dates in any zone, quantities, odd properties."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.invoicing.verification.services import verify_books
from billing.metering.models import UsageEvent
from billing.metering.queries.batch_context import date_of, zone_periods
from billing.metering.services.validation import FIRST_INSTANT
from core.periods import local_date
from tests.build import APRIL, APRIL_2, call, make_agency, make_prices, statuses, use

names = st.sampled_from(sorted(available_timezones()))
months = st.dates(FIRST_INSTANT.date(), date(2037, 1, 1)).map(
    lambda day: day.replace(day=1)
)
instants = st.integers(0, 13_000 * 86_400).map(
    lambda seconds: FIRST_INSTANT + timedelta(seconds=seconds)
)
# Around the hours in which clocks change and dates begin, somewhere.
near = st.builds(
    lambda day, minutes, seconds: (
        FIRST_INSTANT + timedelta(days=day, minutes=minutes, seconds=seconds)
    ),
    st.integers(0, 13_000), st.integers(0, 1439), st.sampled_from([0, 1, 59]),
)  # fmt: skip


class TestDateOf:
    @given(instants | near, names, names, months)
    # Clocks were put back at a minute past midnight there, to the day before.
    @example(datetime(2010, 11, 7, 2, 30, 59, tzinfo=UTC),
             "America/St_Johns", "America/St_Johns", APRIL)  # fmt: skip
    @example(datetime(2010, 11, 7, 2, 31, tzinfo=UTC),
             "America/St_Johns", "America/St_Johns", APRIL)  # fmt: skip
    @example(datetime(2011, 12, 30, 9, 59, 59, tzinfo=UTC),
             "Pacific/Apia", "Pacific/Apia", APRIL)  # fmt: skip
    def test_is_the_local_date(self, instant, old, new, month):
        zones = f"2000-01-01 {old},{month} {new}"

        assert date_of(instant, zones) == local_date(instant, zone_periods(zones))


@pytest.fixture
def sunrise(db):
    make_prices()
    return make_agency()


class TestChecking:
    @pytest.mark.parametrize(
        ("zone", "text"),
        [
            ("Pacific/Pago_Pago", "2026-03-02T00:30:00+14:00"),
            ("Pacific/Kiritimati", "2026-02-27T23:00:00-23:00"),
        ],
    )
    def test_finds_the_price_whatever_offset_a_time_is_told_with(
        self, sunrise, zone, text
    ):
        make_agency("FAR", zone=zone)
        at = datetime.fromisoformat(text)

        assert statuses(use(call("FAR", occurred_at=at))) == ["accepted"]

    @pytest.mark.parametrize(
        "quantity",
        ["1E-2000000", "0E-999999999999999999", "0E+999999999999999999", "1E-7",
         pytest.param("1." + "0" * 1_100_000 + "1", id="a million places")],
    )  # fmt: skip
    def test_refuses_a_quantity_of_absurd_places(self, sunrise, quantity):
        event = call(meter="sms.segment", quantity=Decimal(quantity))

        assert statuses(use(event)) == ["bad_quantity"]

    @pytest.mark.parametrize("quantity", ["-0", "0E-7", "0E+5", "1E+5", "1.0000000"])
    def test_takes_a_number_in_any_spelling(self, sunrise, quantity):
        event = call(id="a", meter="sms.segment", quantity=Decimal(quantity))
        plain = call(
            id="a", meter="sms.segment", quantity=Decimal(f"{event.quantity:f}")
        )

        assert statuses(use(event, plain)) == ["accepted", "duplicate"]
        assert UsageEvent.objects.get().raw == Decimal(quantity)

    def test_takes_the_second_of_one_id_when_the_first_is_too_old(
        self, sunrise, settings
    ):
        settings.BILLING = {**settings.BILLING, "LATE_DAYS": 1}
        sunrise.cutoff_counter.closed_through = APRIL_2.date().replace(month=3, day=1)
        sunrise.cutoff_counter.save()
        events = call(id="a"), call(id="a", occurred_at=APRIL_2)

        assert statuses(use(*events, now=APRIL_2)) == ["too_old", "accepted"]

    @pytest.mark.parametrize(
        "value",
        [-0.0, 1e16, 1e300, 1.5e-300, 123456789012345680.0, [{"a": 1e22}], 1.0, 10**60],
    )
    def test_keeps_numbers_in_properties_as_they_are_checked_later(
        self, sunrise, value
    ):
        event = call(properties={"score": value, "name": "1e5"})

        assert statuses(use(event, event)) == ["accepted", "duplicate"]
        assert verify_books().findings == []
