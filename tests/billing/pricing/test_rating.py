"""Rates against published examples and against independent sums."""

from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing.domain.rating import (
    BadRate,
    RateTerms,
    Tier,
    billable_raw,
    rate_usage,
    validate_terms,
)

APRIL = date(2026, 4, 1)
D = Decimal


def terms(minimum=0, increment=1, unit_size=1, **changes):
    fields = {"model": "per_unit", "unit_price": D("0.02"), **changes}
    return RateTerms("m", D(minimum), D(increment), D(unit_size), **fields)


def price(quantity, rate, seat_days=0):
    return rate_usage(
        billable=D(quantity), terms=rate, seat_days=seat_days, month=APRIL
    )


class TestBillableRaw:
    @pytest.mark.parametrize(
        ("seconds", "steps", "billed"),
        [
            (45, (60, 60), 60), (60, (60, 60), 60), (135, (60, 60), 180),
            (301, (60, 60), 360), (630, (60, 60), 660), (899, (60, 60), 900),
            (78, (60, 60), 120), (163, (60, 60), 180), (61, (60, 60), 120),
            (182, (6, 6), 186), (31, (6, 6), 36), (45, (30, 6), 48), (20, (30, 6), 30),
            (0, (60, 60), 0), (1, (0, 1), 1),
        ],
    )  # fmt: skip
    def test_follows_the_published_examples(self, seconds, steps, billed):
        assert billable_raw(D(seconds), terms(*steps)) == billed

    @given(st.integers(1, 10**6), st.integers(0, 600), st.integers(1, 600))
    def test_is_the_smallest_enough_multiple_of_the_increment(self, raw, low, step):
        billed = billable_raw(D(raw), terms(low, step))

        assert billed % step == 0
        assert billed - step < max(raw, low) <= billed


class TestRateUsage:
    def test_takes_the_pooled_allowance_off_first(self):
        rate = terms(unit_size=60, included_per_seat=D(3000))

        rated = price(60 * 4000, rate, seat_days=40)

        # 3,000 for each 30 seat days: 40 seat days include 4,000
        assert (rated.quantity, rated.included, rated.amount) == (4000, 4000, 0)

    @given(st.integers(0, 10**6), st.integers(0, 900), st.integers(0, 5000))
    def test_never_goes_below_zero(self, quantity, seat_days, included):
        rated = price(quantity, terms(included_per_seat=D(included)), seat_days)

        assert rated.charged >= 0
        assert rated.included + rated.charged == quantity

    @given(st.integers(0, 5000), st.lists(st.integers(1, 900), min_size=1, max_size=4))
    def test_graduated_is_the_sum_over_single_units(self, quantity, widths):
        tiers = tiers_of(widths)
        rate = terms(model="graduated", unit_price=None, tiers=tiers)

        by_unit = Fraction(0)
        entered = set()
        for unit in range(1, quantity + 1):
            n = next(
                i for i, t in enumerate(tiers) if t.up_to is None or unit <= t.up_to
            )
            by_unit += Fraction(tiers[n].unit_price)
            entered.add(n)
        fees = sum(Fraction(tiers[n].flat_fee) for n in entered)

        assert price(quantity, rate).amount == by_unit + fees

    @given(st.integers(0, 5000), st.lists(st.integers(1, 900), min_size=1, max_size=4))
    def test_volume_prices_all_by_the_tier_reached(self, quantity, widths):
        tiers = tiers_of(widths)
        rate = terms(model="volume", unit_price=None, tiers=tiers)
        reached = next(t for t in tiers if t.up_to is None or t.up_to >= quantity)
        expected = quantity * Fraction(reached.unit_price) + Fraction(reached.flat_fee)

        assert price(quantity, rate).amount == (expected if quantity else 0)

    @given(st.integers(0, 10**6), st.integers(1, 5000))
    def test_begun_packages_count_whole(self, quantity, size):
        rate = terms(model="package", unit_price=D(3), package_size=D(size))

        assert price(quantity, rate).amount == 3 * ceil(Fraction(quantity, size))

    def test_an_upper_bound_belongs_to_its_tier(self):
        tiers = (Tier(D(1000), D("0.02")), Tier(None, D("0.01")))
        rate = terms(model="volume", unit_price=None, tiers=tiers)

        assert price(1000, rate).amount == 20
        assert price(1001, rate).amount == Fraction(1001, 100)


class TestValidateTerms:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"increment": 0}, "increment"),
            ({"unit_size": 0}, "unit_size"),
            ({"minimum": -1}, "minimum"),
            ({"unit_price": None}, "unit_price"),
            ({"unit_price": D(-1)}, "unit_price"),
            ({"unit_price": D("0.000000001")}, "unit_price"),
            ({"model": "package"}, "package_size"),
            ({"package_size": D(5)}, "package_size"),
            ({"model": "graduated", "unit_price": None}, "tiers"),
            ({"model": "volume", "unit_price": None,
              "tiers": (Tier(D(5), D(1)),)}, "tiers"),
            ({"model": "volume", "unit_price": None,
              "tiers": (Tier(D(5), D(1)), Tier(D(5), D(1)), Tier(None, D(1)))}, "tiers"),
            ({"model": "volume", "unit_price": None,
              "tiers": (Tier(None, D(1)), Tier(None, D(1)))}, "tiers"),
        ],
    )  # fmt: skip
    def test_refuses_what_could_not_price_every_quantity(self, changes, field):
        with pytest.raises(BadRate) as refused:
            validate_terms(terms(**changes))

        assert refused.value.field == field


def tiers_of(widths):
    bounds = [sum(widths[: n + 1]) for n in range(len(widths))]
    closed = [
        Tier(D(bound), D(len(widths) - n), D(n)) for n, bound in enumerate(bounds)
    ]
    return (*closed, Tier(None, D("0.5"), D(7)))
