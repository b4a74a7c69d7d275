"""Publishes and deletes price lists."""

import hashlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from django.conf import settings
from django.db import IntegrityError, transaction

from billing.pricing.domain import defaults
from billing.pricing.domain.rating import PriceListTerms, RateTerms, validate_terms
from billing.pricing.domain.webhook_events import PriceListPublished
from billing.pricing.models import Meter, PriceList, Rate
from billing.pricing.queries import WITH_RATES, preceding_list, terms_of
from billing.pricing.signals import meters_in_use
from billing.webhooks.services.outbox import PLATFORM, publish
from core.errors import Refusal
from core.money import minor_digits, plain
from core.periods import month_of, next_month


class PriceListNotDraft(Refusal):
    """The price list is already published.

    Create a new price list; published ones never change.
    """

    code = "price_list_not_draft"


class NoticeTooShort(Refusal):
    """The price list starts too soon.

    Choose a start on or after the date that `detail` states.
    """

    code = "price_notice_too_short"


class MonthTaken(Refusal):
    """Another price list of the currency already starts in the same month.

    Choose another month.
    """

    code = "price_list_month_taken"


class MetersMissing(Refusal):
    """The price list lacks a rate for a meter that is in use.

    Add a rate for each meter; set the price to 0 if it is free.
    """

    code = "price_list_meters_missing"


def publish_price_list(*, price_list: PriceList, now: datetime) -> PriceList:
    """Publish a draft, which then never changes, and announce it. Repeating is refused.

    It must start PRICE_NOTICE_DAYS ahead, unless it is the first of its currency, and
    have a rate for each meter that is in use or on the list before it. Raises
    PriceListNotDraft, NoticeTooShort, MonthTaken, MetersMissing, BadRate, UnknownCurrency.
    """
    with transaction.atomic():
        draft = PriceList.objects.select_for_update().get(pk=price_list.pk)
        if draft.state != PriceList.State.DRAFT:
            raise PriceListNotDraft(f"The price list {draft} is already published.")
        draft = PriceList.objects.prefetch_related(*WITH_RATES).get(pk=draft.pk)
        terms = terms_of(draft)
        minor_digits(terms.currency)
        for rate in terms.rates:
            validate_terms(rate)
        _require_notice(draft, now)
        _require_meters(draft)
        draft.state = PriceList.State.PUBLISHED
        draft.published_at = now
        draft.content_hash = content_hash(terms, draft.starts_on, draft.seat_includes)
        try:
            with transaction.atomic():
                draft.save(update_fields=["state", "published_at", "content_hash"])
        except IntegrityError as error:  # another list was published meanwhile
            raise _taken(draft) from error
        publish(_published(draft, terms), now=now)
    return draft


def _published(price_list: PriceList, terms: PriceListTerms) -> PriceListPublished:
    content = list_content(terms, price_list.starts_on, price_list.seat_includes)
    return PriceListPublished(
        agency_id=PLATFORM,
        subject=f"price_list:{price_list.code}",
        code=price_list.code,
        currency=price_list.currency,
        starts_on=price_list.starts_on,
        seat_price=terms.seat_price,
        hash=price_list.content_hash,
        seat_includes=price_list.seat_includes,
        rates=content["rates"],
    )


def reasons_against(draft: PriceList, *, now: datetime) -> list[str]:
    """The messages of the refusals that publishing would raise for month and meters."""
    reasons = []
    for require in (partial(_require_notice, now=now), _require_meters):
        try:
            require(draft)
        except Refusal as refusal:
            reasons.append(refusal.message)
    return reasons


def _require_notice(draft: PriceList, now: datetime) -> None:
    published = PriceList.objects.filter(
        currency=draft.currency, state=PriceList.State.PUBLISHED
    )
    if published.filter(starts_on=draft.starts_on).exists():
        raise _taken(draft)
    days = max(settings.BILLING["PRICE_NOTICE_DAYS"], 2)
    earliest = (now + timedelta(days=days)).date()
    if published.exists() and draft.starts_on < earliest:
        first = earliest if earliest.day == 1 else next_month(month_of(earliest))
        raise NoticeTooShort(
            f"The list starts on {draft.starts_on}, and price changes need {days} days'"
            f" notice. The earliest start is {first}.",
            field="starts_on",
        )


def _missing_meters(draft: PriceList) -> list[str]:
    """Codes of meters without a rate that are in use, or on the list before."""
    included = {rate.meter.code for rate in draft.rates.all()}
    before = preceding_list(draft)
    expected = {rate.meter.code for rate in before.rates.all()} if before else set()
    codes = Meter.objects.values_list("code", flat=True)
    candidates = set(codes) - included - expected
    responses: list[Any] = meters_in_use.send(
        PriceList, currency=draft.currency, candidates=candidates
    )
    used = {code for _, in_use in responses for code in in_use}
    return sorted((expected | used) - included)


def _require_meters(draft: PriceList) -> None:
    """Refuse a missing rate now: usage without a rate would park its payer later."""
    if missing := _missing_meters(draft):
        raise MetersMissing(
            f"{draft} has no rate for {', '.join(missing)}, which the previous list has"
            " or agencies use. Add a rate for each; set the price to 0 if it is free.",
            field="rates",
        )


def _taken(draft: PriceList) -> MonthTaken:
    return MonthTaken(
        f"Another {draft.currency} price list already starts in"
        f" {draft.starts_on:%B %Y}. Choose a different month.",
        field="starts_on",
    )


def content_hash(terms: PriceListTerms, starts_on: date, includes: list[str]) -> str:
    """SHA-256, in hex, over the content of a list."""
    content = list_content(terms, starts_on, includes)
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


def list_content(
    terms: PriceListTerms, starts_on: date, includes: list[str]
) -> dict[str, Any]:
    """A list as JSON values, decimals as strings without trailing zeros."""
    return {
        "code": terms.code,
        "currency": terms.currency,
        "starts_on": starts_on.isoformat(),
        "seat_price": plain(terms.seat_price),
        "seat_includes": includes,
        "rates": [_rate_content(rate) for rate in terms.rates],
    }


def _rate_content(rate: RateTerms) -> dict[str, Any]:
    return {
        "meter": rate.meter,
        "minimum": plain(rate.minimum),
        "increment": plain(rate.increment),
        "unit_size": plain(rate.unit_size),
        "model": rate.model,
        "unit_price": _optional(rate.unit_price),
        "included_per_seat": plain(rate.included_per_seat),
        "package_size": _optional(rate.package_size),
        "tiers": [
            {
                "up_to": _optional(tier.up_to),
                "unit_price": plain(tier.unit_price),
                "flat_fee": plain(tier.flat_fee),
            }
            for tier in rate.tiers
        ],
    }


def _optional(number: Decimal | None) -> str | None:
    return None if number is None else plain(number)


def delete_draft_list(*, price_list: PriceList) -> None:
    """Delete a list that was never published, with its rates. Raises PriceListNotDraft."""
    with transaction.atomic():
        draft = PriceList.objects.select_for_update().get(pk=price_list.pk)
        if draft.state != PriceList.State.DRAFT:
            raise PriceListNotDraft(
                f"The price list {draft} is already published and cannot be deleted."
            )
        draft.delete()


def publish_default_prices(*, starts_on: date, now: datetime) -> PriceList:
    """Create the default meters and publish the default list. Safe to repeat."""
    with transaction.atomic():
        Meter.objects.bulk_create(
            (
                Meter(code=code, name=name, raw_unit=raw_unit, billed_unit=billed_unit)
                for code, name, raw_unit, billed_unit in defaults.default_meters()
            ),
            ignore_conflicts=True,
        )
        price_list, created = PriceList.objects.get_or_create(
            code=f"{defaults.LIST_CODE}-{starts_on:%Y-%m}",
            defaults={
                "currency": defaults.CURRENCY,
                "starts_on": starts_on,
                "seat_price": defaults.SEAT_PRICE,
                "seat_includes": defaults.SEAT_INCLUDES,
            },
        )
        if not created:
            return price_list
        meters = {meter.code: meter for meter in Meter.objects.all()}
        Rate.objects.bulk_create(
            Rate(
                price_list=price_list,
                meter=meters[terms.meter],
                minimum=terms.minimum,
                increment=terms.increment,
                unit_size=terms.unit_size,
                model=terms.model,
                unit_price=terms.unit_price,
                included_per_seat=terms.included_per_seat,
            )
            for terms in defaults.default_rates()
        )
        return publish_price_list(price_list=price_list, now=now)
