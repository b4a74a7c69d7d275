"""Prices planned changes of seats, for the confirmation pages of the staff admin."""

from datetime import date
from typing import Any

from django.dispatch import receiver

from billing.pricing.domain.proration import seat_charge
from billing.pricing.queries import price_lists_for
from core.money import money_label
from seats.models import Agency
from seats.signals import seat_days_previewed


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
            f"{count} seat days, "
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
