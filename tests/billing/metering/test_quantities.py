"""Seconds as durations."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.metering.domain.quantities import duration_of


class TestDurations:
    @pytest.mark.parametrize(
        ("seconds", "micros"),
        [("0.000249", 249), ("61.5", 61_500_000), ("-1", -1_000_000), ("1e-9", 0)],
    )
    def test_are_exact(self, seconds, micros):
        assert duration_of(Decimal(seconds)) == timedelta(microseconds=micros)

    @pytest.mark.parametrize("seconds", ["1e999999", "-1e999999", "1e900000", "9e18"])
    def test_that_are_too_long_are_refused_at_once(self, seconds):
        with pytest.raises(OverflowError):
            duration_of(Decimal(seconds))
