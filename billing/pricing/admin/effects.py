"""Sentences that show staff what an action does to price lists, before they confirm."""

from datetime import datetime
from typing import Any

from billing.pricing.models import PriceList, Rate
from billing.pricing.queries import WITH_RATES, preceding_list
from billing.pricing.services import reasons_against
from core.admin.actions import Unchanged, unchanged_if
from core.money import money_label, plain
from seats.models import Agency


def publish_effects(
    lists: list[PriceList], data: dict[str, Any] | None, *, now: datetime
) -> list[str]:
    """The agencies and prices that change and when, or why publishing is refused."""
    return [line for price_list in lists for line in _publishing_lines(price_list, now)]


def delete_effects(lists: list[PriceList], data: dict[str, Any] | None) -> list[str]:
    """The drafts that are deleted with their rates, and the lists that stay."""
    return [
        f"The draft {price_list} with its {price_list.rates.count()} rates is deleted."
        if price_list.state == PriceList.State.DRAFT
        else Unchanged(f"{price_list} is published and cannot be deleted.")
        for price_list in lists
    ]


def _publishing_lines(draft: PriceList, now: datetime) -> list[str]:
    if draft.state != PriceList.State.DRAFT:
        return [Unchanged(f"{draft} is already published and does not change.")]
    draft = PriceList.objects.prefetch_related(*WITH_RATES).get(pk=draft.pk)
    before = preceding_list(draft)
    agencies = Agency.objects.filter(currency=draft.currency).count()
    rates = {rate.meter.code: rate for rate in draft.rates.all()}
    old = {rate.meter.code: rate for rate in before.rates.all()} if before else {}
    lines = [
        (
            f"{draft} sets the prices of all {agencies} agencies that pay in"
            f" {draft.currency}, from {draft.starts_on:%B %Y} on."
        ),
        f"Seat price: {_seat_price(before)} before, {_seat_price(draft)} after.",
        f"Meters with a rate: {len(rates)}"
        + (
            f", of {len(old)} on {before}." if before else ". There is no earlier list."
        ),
    ]
    reasons = reasons_against(draft, now=now)
    lines += [f"It cannot be published. {reason}" for reason in reasons]
    lines += [
        f"{code}: {_price(old.get(code))} before, {_price(rate)} after."
        for code, rate in rates.items()
        if _price(old.get(code)) != _price(rate)
    ]
    return [unchanged_if(bool(reasons), line) for line in lines]


def _seat_price(price_list: PriceList | None) -> str:
    return (
        money_label(price_list.seat_price, price_list.currency)
        if price_list
        else "none"
    )


def _price(rate: Rate | None) -> str:
    """Everything about a rate that decides what a quantity costs."""
    if rate is None:
        return "no rate"
    steps = [
        f"{plain(tier.unit_price)} {tier}"
        + (f" and {plain(tier.flat_fee)} flat" if tier.flat_fee else "")
        for tier in rate.tiers.all()
    ]
    price = ", ".join(steps) or plain(rate.unit_price or 0)
    parts = [f"{price} per {rate.meter.billed_unit}, {rate.get_model_display()}"]
    if rate.package_size is not None:
        parts.append(f"packages of {plain(rate.package_size)}")
    parts.append(
        f"minimum {plain(rate.minimum)}, increment {plain(rate.increment)},"
        f" unit of {plain(rate.unit_size)}"
    )
    if rate.included_per_seat:
        parts.append(f"{plain(rate.included_per_seat)} included per seat")
    return "; ".join(parts)
