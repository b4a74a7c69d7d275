"""Rounding and splitting, against integers."""

from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from core.money import (
    HUNDREDTHS,
    NO_MINOR_UNIT,
    THOUSANDTHS,
    UnknownCurrency,
    allocate,
    minor_digits,
    plain,
    round_money,
)

cents = st.integers(-(10**12), 10**12).map(lambda n: Decimal(n).scaleb(-2))


class TestRoundMoney:
    @pytest.mark.parametrize(
        ("amount", "rounded"),
        [("0.125", "0.13"), ("-0.125", "-0.13"), ("0.124999", "0.12"), ("2.5", "2.50"),
         ("0.005", "0.01"), ("-0.004", "0.00")],
    )  # fmt: skip
    def test_rounds_ties_away_from_zero(self, amount, rounded):
        assert round_money(Decimal(amount), "USD") == Decimal(rounded)

    def test_sees_a_tie_that_decimals_cannot_hold(self):
        assert round_money(Fraction(1, 3) * Fraction(3, 200), "USD") == Decimal("0.01")

    @given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
    def test_is_the_nearest_cent(self, top, bottom):
        exact = Fraction(top, bottom)
        rounded = Fraction(round_money(exact, "USD"))

        assert abs(rounded - exact) <= Fraction(1, 200)
        if abs(rounded - exact) == Fraction(1, 200):
            assert abs(rounded) > abs(exact)

    def test_knows_yen_and_dinars(self):
        assert round_money(Decimal("0.5"), "JPY") == 1
        assert round_money(Decimal("0.0005"), "KWD") == Decimal("0.001")

    def test_refuses_an_unknown_currency(self):
        with pytest.raises(UnknownCurrency):
            round_money(Decimal(1), "XXX")

    @pytest.mark.django_db
    def test_has_the_digits_that_the_database_has(self):
        for currency in HUNDREDTHS | NO_MINOR_UNIT | THOUSANDTHS:
            with connection.cursor() as cursor:
                cursor.execute("SELECT currency_digits(%s)", [currency])
                assert cursor.fetchone()[0] == minor_digits(currency)


class TestAllocate:
    @given(cents, st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
    def test_gives_everything_and_each_within_a_cent_of_its_due(self, total, weights):
        if not sum(weights):
            weights[0] = 1
        parts = allocate(total, weights, "USD")

        assert sum(parts) == total
        for part, weight in zip(parts, weights, strict=True):
            due = Fraction(total) * weight / sum(weights)
            assert abs(Fraction(part) - due) < Fraction(1, 100)

    def test_refuses_an_amount_without_a_weight(self):
        with pytest.raises(ValueError, match="weight"):
            allocate(Decimal(1), [0, 0], "USD")


class TestPlain:
    @given(st.decimals(-(10**15), 10**15, places=6))
    def test_is_the_same_number_however_it_is_written(self, number):
        assert Decimal(plain(number)) == number
        assert plain(number) == plain(number + Decimal("0.000000000"))
