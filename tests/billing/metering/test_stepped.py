"""Usage under other rounding rules: the database agrees with the arithmetic."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.metering.models import UsageEvent
from billing.metering.queries.usage import RoundingRule, rounded_usage
from billing.pricing.domain.rating import RateTerms, billable_raw
from tests.billing.invoicing.test_laws import EXAMPLES
from tests.build import MARCH, call, make_agency, make_prices, use
from tests.rollback import rolled_back

quantities = st.integers(0, 400).map(Decimal) | st.decimals(0, 86_400, places=6)
rounding_rules = st.builds(
    RoundingRule,
    st.integers(0, 90).map(Decimal) | st.decimals(0, 90, places=3),
    st.integers(1, 90).map(Decimal) | st.decimals("0.001", 90, places=3),
)


@pytest.fixture
def agency(db):
    make_prices()
    return make_agency()


def terms(minimum, increment):
    return RateTerms("m", minimum, increment, Decimal(60), "per_unit", Decimal(1))


class TestRoundedUsage:
    @given(
        st.lists(quantities, min_size=1, max_size=20),
        st.lists(rounding_rules, max_size=3),
    )
    @EXAMPLES
    def test_counts_as_the_arithmetic_does(self, agency, quantities_sent, rules):
        with rolled_back():
            use(*(call(quantity=quantity) for quantity in quantities_sent))
            (usage,) = rounded_usage(
                agency_id=agency.pk, month=MARCH, raw_unit="second",
                rules=[RoundingRule(Decimal(60), Decimal(60)), *rules],
            )  # fmt: skip

        assert usage.meter == "voice.out"
        assert usage.raw == sum(quantities_sent)
        assert usage.rounded[0] == usage.billable
        assert usage.rounded[1:] == [
            sum(billable_raw(quantity, terms(*rule)) for quantity in quantities_sent)
            for rule in rules
        ]

    def test_counts_nothing_of_an_event_that_was_taken_back(self, agency):
        use(call(quantity=Decimal(61)), call(quantity=Decimal(7)))
        event = UsageEvent.objects.order_by("id").first()
        assert event
        UsageEvent.objects.create(
            id=event.id + 10**9, used_on=event.used_on, agency_id=event.agency_id,
            agent=None, meter_id=event.meter_id, breakdown="power", owner=0,
            source="/x", external_id="back", occurred_at=event.occurred_at,
            received_at=event.received_at, raw=-event.raw, billable=-event.billable,
            properties={}, cutoff=event.cutoff, reverses=event.id,
        )  # fmt: skip

        (usage,) = rounded_usage(
            agency_id=agency.pk, month=MARCH, raw_unit="second",
            rules=[RoundingRule(Decimal(6), Decimal(6))],
        )  # fmt: skip

        assert (usage.raw, usage.billable) == (Decimal(7), Decimal(60))
        assert usage.rounded == [12]

    def test_leaves_out_what_is_not_counted_in_the_unit(self, agency):
        use(call(meter="sms.segment"))

        assert not rounded_usage(
            agency_id=agency.pk, month=MARCH, raw_unit="second", rules=[]
        )
