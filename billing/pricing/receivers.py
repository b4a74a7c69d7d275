"""Prices seats, and planned changes of seats, for pages of the admin."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.dispatch import receiver

from billing.pricing.domain.proration import seat_charge
from billing.pricing.queries import price_lists_for
from core.money import money_label
from core.periods import billed_range, month_range
from seats.models import Agency, Seat
from seats.signals import seat_days_previewed, seats_priced


@receiver(seat_days_previewed)
def price_seat_days(
    *, days: dict[tuple[Agency, date], tuple[int, int]], **_: Any
) -> list[str]:
    """A sentence for each agency and month: seat days and amount, before and after."""
    lists = price_lists_for(
        currencies={agency.currency for agency, _ in days},
        months={month for _, month in days},
    )
    lines = []
    for (agency, month), counts in days.items():
        terms = lists.get((agency.currency, month))
        if terms is None:
            lines.append(
                f"No price list in {agency.currency} covers {month:%B %Y}, so the seats"
                f" of {agency.code} cannot be priced."
            )
            continue
        before, after = (
            f"{count} {'seat day' if count == 1 else 'seat days'}, "
            + money_label(
                seat_charge(
                    seat_price=terms.seat_price,
                    seat_days=count,
                    month=month,
                    currency=agency.currency,
                ),
                agency.currency,
            )
            for count in counts
        )
        lines.append(
            f"These seats of {agency.code} in the whole of {month:%B %Y}:"
            f" {before} become {after}."
        )
    return lines


@receiver(seats_priced)
def price_seats(*, seats: Sequence[Seat], month: date, **_: Any) -> dict[int, Decimal]:
    """What each seat costs in the month by its dates; absent without a price list."""
    lists = price_lists_for(
        currencies={seat.agency.currency for seat in seats}, months=[month]
    )
    costs = {}
    for seat in seats:
        terms = lists.get((seat.agency.currency, month))
        if terms is None:
            continue
        billed = billed_range(seat.added_on, seat.removed_on)
        days = 0 if seat.cancelled else month_range(month).overlap_days(billed)
        costs[seat.pk] = seat_charge(
            seat_price=terms.seat_price,
            seat_days=days,
            month=month,
            currency=seat.agency.currency,
        )
    return costs
