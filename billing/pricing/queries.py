"""Reads published price lists, and their terms as values."""

from collections.abc import Collection
from datetime import date
from functools import lru_cache

from django.db.models import Prefetch

from billing.pricing.domain.rating import PriceListTerms, RateTerms, Tier
from billing.pricing.models import PriceList, Rate, RateTier
from core.errors import Refusal


class PriceMissing(Refusal):
    """No published price list covers the currency and month.

    Choose another currency or month, or publish a price list for it.
    """

    code = "price_missing"


def published_price_list(currency: str, month: date) -> PriceListTerms:
    """The price list of a currency and month. Raises PriceMissing."""
    lists = price_lists_for(currencies=[currency], months=[month])
    if not lists:
        raise PriceMissing(
            f"No published price list in {currency} covers {month:%B %Y}.",
            field="month",
        )
    return lists[currency, month]


def price_lists_for(
    *, currencies: Collection[str], months: Collection[date]
) -> dict[tuple[str, date], PriceListTerms]:
    """The lists by currency and month, in one query; absent if no list applies."""
    lists = list(
        PriceList.objects.filter(
            state=PriceList.State.PUBLISHED, currency__in=currencies
        )
        .order_by("currency", "starts_on")
        .values_list("pk", "currency", "starts_on")
    )
    list_ids: dict[tuple[str, date], int] = {}
    for list_id, currency, starts_on in lists:
        for month in months:
            if starts_on <= month:
                list_ids[currency, month] = list_id
    return {key: published_terms(list_id) for key, list_id in list_ids.items()}


@lru_cache(maxsize=64)
def published_terms(list_id: int) -> PriceListTerms:
    """The terms of a published list. Cached, because they never change."""
    return terms_of(PriceList.objects.prefetch_related(*WITH_RATES).get(pk=list_id))


WITH_RATES = (
    Prefetch("rates", Rate.objects.select_related("meter").order_by("meter__code")),
    Prefetch("rates__tiers", RateTier.objects.order_by("position")),
)


def preceding_list(price_list: PriceList) -> PriceList | None:
    """The published list that applies until this one starts, with its rates."""
    published = PriceList.objects.filter(
        currency=price_list.currency,
        state=PriceList.State.PUBLISHED,
        starts_on__lt=price_list.starts_on,
    )
    return published.prefetch_related(*WITH_RATES).order_by("-starts_on").first()


def terms_of(price_list: PriceList) -> PriceListTerms:
    """The terms of a list whose rates and tiers were prefetched."""
    return PriceListTerms(
        code=price_list.code,
        currency=price_list.currency,
        seat_price=price_list.seat_price,
        rates=tuple(_rate_terms(rate) for rate in price_list.rates.all()),
        content_hash=price_list.content_hash,
        list_id=price_list.pk,
    )


def _rate_terms(rate: Rate) -> RateTerms:
    return RateTerms(
        meter=rate.meter.code,
        minimum=rate.minimum,
        increment=rate.increment,
        unit_size=rate.unit_size,
        model=rate.model,  # type: ignore[arg-type]
        unit_price=rate.unit_price,
        included_per_seat=rate.included_per_seat,
        package_size=rate.package_size,
        tiers=tuple(
            Tier(tier.up_to, tier.unit_price, tier.flat_fee)
            for tier in rate.tiers.all()
        ),
    )
