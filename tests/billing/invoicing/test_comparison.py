"""What made the difference between two documents sums to it, whatever they are."""

from collections import Counter
from datetime import date
from decimal import Decimal
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st

from billing.invoicing.domain.comparison import Cause, ComparedLine, compare_lines
from billing.pricing.domain.defaults import default_rates
from billing.pricing.domain.proration import seat_charge
from billing.pricing.domain.rating import PriceListTerms, RateTerms, Tier, rate_usage
from core.money import round_money
from core.periods import days_in_month

MONTHS = [date(2026, 2, 1), date(2026, 3, 1), date(2026, 4, 1)]
RATES = tuple(default_rates())
TIERS = (Tier(Decimal(90), Decimal("0.021")), Tier(None, Decimal("0.0155")))
OTHERS = (
    RateTerms("voice.out", Decimal(30), Decimal(6), Decimal(60), "graduated", None, tiers=TIERS),
    RateTerms(
        "ai.minute", Decimal(1), Decimal(1), Decimal(60), "per_unit", Decimal("0.0111"),
        Decimal(7),
    ),
)  # fmt: skip
PRICES = {
    1: PriceListTerms("STD", "USD", Decimal(50), RATES, list_id=1),
    2: PriceListTerms("OTHER", "USD", Decimal("43.99"), OTHERS, list_id=2),
}
TAXES = st.sampled_from([Decimal(0), Decimal("1.17")])
SHARES = st.sampled_from([Decimal(1), Decimal("0.5"), Decimal("0.333"), Decimal(0)])
SEEN: Counter[str] = Counter()


def line(**changes: Any) -> ComparedLine:
    """Two full seats of March at 50.00."""
    values: dict[str, Any] = {
        "agency_id": 1, "month": date(2026, 3, 1), "late": False, "meter": None,
        "quantity": Decimal(62), "billable": Decimal(62), "charge": Decimal(100),
        "amount": Decimal(100), "tax": Decimal(0), "unit_price": Decimal(50),
        "list_id": 1, "seats": 2, "seat_days": 62,
    }  # fmt: skip
    return ComparedLine(**{**values, **changes})


@st.composite
def seat_lines(draw: Any, agency: int, month: date, list_id: int) -> ComparedLine:
    seats = draw(st.integers(1, 40))
    days = draw(st.integers(seats, seats * days_in_month(month)))
    charge = seat_charge(
        seat_price=PRICES[list_id].seat_price,
        seat_days=days,
        month=month,
        currency="USD",
    )
    return line(
        agency_id=agency, month=month, quantity=Decimal(days), seats=seats,
        seat_days=days, charge=charge, list_id=list_id,
        amount=round_money(charge * draw(SHARES), "USD"),
        unit_price=PRICES[list_id].seat_price, tax=draw(TAXES),
    )  # fmt: skip


@st.composite
def usage_lines(
    draw: Any, agency: int, month: date, list_id: int, meter: str
) -> ComparedLine:
    billable, days = Decimal(draw(st.integers(0, 900_000))), draw(st.integers(0, 900))
    terms = PRICES[list_id].rate(meter)
    rated = rate_usage(billable=billable, terms=terms, seat_days=days, month=month)
    charge = round_money(rated.amount, "USD")
    return line(
        agency_id=agency, month=month, meter=meter, billable=billable,
        quantity=Decimal(int(rated.quantity)), charge=charge, list_id=list_id,
        amount=round_money(charge * draw(SHARES), "USD"), seat_days=days, seats=0,
        unit_price=None,
    )  # fmt: skip


@st.composite
def documents(draw: Any) -> list[ComparedLine]:
    """A document of up to three agencies, with late lines of the month before."""
    month, list_id = draw(st.sampled_from(MONTHS)), draw(st.sampled_from([1, 2]))
    lines = []
    for agency in draw(st.sets(st.integers(1, 3))):
        if draw(st.booleans()):
            lines.append(draw(seat_lines(agency, month, list_id)))
        for meter in draw(st.sets(st.sampled_from(["voice.out", "ai.minute"]))):
            lines.append(draw(usage_lines(agency, month, list_id, meter)))
        if draw(st.booleans()):
            amount = Decimal(draw(st.integers(-50_000, 50_000))).scaleb(-2)
            lines.append(line(agency_id=agency, late=True, amount=amount))
    return lines


def total(lines: list[ComparedLine]) -> Decimal:
    return sum((row.amount + row.tax for row in lines), Decimal(0))


class TestCompareLines:
    @settings(max_examples=300, deadline=None)
    @given(documents(), documents())
    def test_gives_parts_that_sum_to_the_difference(self, before, after):
        parts = compare_lines(before, after, prices=PRICES, currency="USD")

        SEEN.update(part.cause for part in parts)
        note(f"causes so far: {SEEN}")
        assert sum(part.amount for part in parts) == total(after) - total(before)
        assert all(part.amount == round_money(part.amount, "USD") for part in parts)

    @settings(max_examples=100, deadline=None)
    @given(documents(), documents())
    def test_gives_the_opposite_total_the_other_way_round(self, before, after):
        there = compare_lines(before, after, prices=PRICES, currency="USD")
        back = compare_lines(after, before, prices=PRICES, currency="USD")

        assert sum(p.amount for p in there) == -sum(p.amount for p in back)

    def test_has_no_parts_for_what_is_the_same(self):
        assert compare_lines([line()], [line()], prices=PRICES, currency="USD") == []

    def test_tells_more_seats_from_seats_that_were_there_longer(self):
        more = line(seats=3, quantity=Decimal(72), seat_days=72, charge=Decimal("116.13"),
                    amount=Decimal("116.13"))  # fmt: skip

        parts = compare_lines([line()], [more], prices=PRICES, currency="USD")

        assert [
            (part.cause, part.before, part.after, part.amount) for part in parts
        ] == [
            (Cause.SEATS, Decimal(2), Decimal(3), Decimal("50.00")),
            (Cause.DAYS, Decimal(62), Decimal(72), Decimal("-33.87")),
        ]

    def test_tells_prices_from_usage(self):
        """300 minutes are 5.40 at 0.018, and 5.15 by tier: 90 x 0.021 + 210 x 0.0155."""
        rows = [
            line(
                meter="voice.out", billable=Decimal(minutes * 60), seats=0, seat_days=0,
                quantity=Decimal(minutes), charge=amount, amount=amount, list_id=list_id,
                unit_price=None,
            )
            for minutes, amount, list_id in (
                (100, Decimal("1.80"), 1), (300, Decimal("5.15"), 2),
            )
        ]  # fmt: skip

        parts = compare_lines(rows[:1], rows[1:], prices=PRICES, currency="USD")

        assert parts == [
            (Cause.USAGE, "voice.out", 100, 300, Decimal("3.60")),
            (Cause.USAGE_PRICE, "voice.out", None, None, Decimal("-0.25")),
        ]
