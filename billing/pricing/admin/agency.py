"""The public price list: what it is now, what it will be, and what a seat includes."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from billing.accounts.admin.payers import PayerForm, payer_in
from billing.pricing.models import PriceList, Rate
from billing.pricing.queries import WITH_RATES
from core.admin.pages import AgencyPanels, csv_file, once_per_request
from core.admin.panels import Link, Money, Panel, Table
from core.money import minor_digits, money_label, plain, round_places
from core.periods import month_of
from seats.access.domain import Action
from seats.agencies.queries.agencies import local_dates


def prices_form(request: HttpRequest) -> PayerForm | None:
    """Chooses the agency, whose currency decides; None where there is no choice."""
    form = PayerForm(request)
    return None if form.fields["agency"].widget.is_hidden else form


PRICES = AgencyPanels(
    name="prices",
    path="prices/",
    title="Prices",
    permission=Action.VIEW_MONEY,
    menu=("Money", "Prices"),
    intro="One public price list for every agency. Prices change on the first of a month,"
    " and a new list is published ahead.",
    filters=prices_form,
)


def price_lists(request: HttpRequest) -> list[PriceList]:
    """The list in force at the agency today, if there is one, and those to come."""

    def read() -> list[PriceList]:
        payer = payer_in(request)
        today = local_dates([payer.pk], now=timezone.now())[payer.pk]
        published = PriceList.objects.filter(
            currency=payer.currency, state=PriceList.State.PUBLISHED
        )
        lists = published.prefetch_related(*WITH_RATES).order_by("starts_on")
        return _from_today(list(lists), month_of(today))

    return once_per_request(request, "price_lists", read)


def _from_today(lists: list[PriceList], month: date) -> list[PriceList]:
    begun = [row for row in lists if row.starts_on <= month]
    return [*begun[-1:], *(row for row in lists if row.starts_on > month)]


@PRICES.panel("seat", order=10)
def seat_prices(request: HttpRequest) -> list[Panel]:
    """The price of a seat, and what it includes at 0.00."""
    return [
        Panel(
            key=f"seat-{row.starts_on:%Y-%m}",
            title=f"A seat, from {row.starts_on:%B %Y}",
            figure=f"{unit_price(row.seat_price, row.currency)} a month",
            sentences=[
                "By the day: a seat that is there for half a month costs half.",
                "No minimum, no contract, no fee.",
            ],
            facts=[
                (name, Money(Decimal(0), row.currency)) for name in row.seat_includes
            ],
        )
        for row in price_lists(request)
    ] or [
        Panel(
            key="seat",
            title="No prices yet",
            sentences=["No price list is published in your currency. Ask our staff."],
        )
    ]


@PRICES.panel("rates", order=20)
def rates(request: HttpRequest) -> list[Panel]:
    """What each thing that is counted costs, for each list."""
    return [
        Panel(
            key=f"rates-{row.starts_on:%Y-%m}",
            title=f"Usage, from {row.starts_on:%B %Y}",
            table=Table(
                columns=["Item", "Price", "Counted", "Included"],
                rows=[
                    (
                        rate.meter.name,
                        _price(rate, row.currency),
                        _steps(rate),
                        _included(rate),
                    )
                    for rate in row.rates.all()
                ],
            ),
            is_wide=True,
            has_file=False,
        )
        for row in price_lists(request)
    ]


def _price(rate: Rate, currency: str) -> str:
    unit = rate.meter.billed_unit
    if rate.model == Rate.Model.PER_UNIT and rate.unit_price is not None:
        return f"{unit_price(rate.unit_price, currency)} per {unit}"
    if rate.model == Rate.Model.PACKAGE and rate.unit_price is not None:
        size = f"{plain(rate.package_size or Decimal(1))} {unit}s"
        return f"{unit_price(rate.unit_price, currency)} per begun {size}"
    return "; ".join(_tiers(rate, currency))


def _tiers(rate: Rate, currency: str) -> Iterable[str]:
    of_all = "for all" if rate.model == Rate.Model.VOLUME else ""
    for tier in rate.tiers.all():
        until = "above" if tier.up_to is None else f"up to {plain(tier.up_to)}"
        fee = f" plus {unit_price(tier.flat_fee, currency)}" if tier.flat_fee else ""
        yield f"{until} {of_all}: {unit_price(tier.unit_price, currency)}{fee}".replace(
            " :", ":"
        )


def _steps(rate: Rate) -> str:
    """At least 60 seconds, in steps of 60 seconds."""
    unit = rate.meter.raw_unit
    if rate.increment == 1 and not rate.minimum:
        return f"each {unit}"
    least = f"at least {plain(rate.minimum)}, " if rate.minimum else ""
    return f"{least}in steps of {plain(rate.increment)} {unit}s"


def _included(rate: Rate) -> str:
    if not rate.included_per_seat:
        return ""
    return f"{plain(rate.included_per_seat)} {rate.meter.billed_unit}s per seat"


def unit_price(price: Decimal, currency: str) -> str:
    """A unit price with its currency; with all its places, at least the currency's."""
    if price == round_places(price, minor_digits(currency)):
        return money_label(price, currency)
    return f"{plain(price)} {currency}"


def rates_file(request: HttpRequest) -> Any:
    """The rates of all lists as CSV."""
    header = ["from", "item", "meter", "price", "counted", "included", "currency"]
    rows: list[tuple[Any, ...]] = []
    for row in price_lists(request):
        rows.append((row.starts_on, "Seat", "", row.seat_price, "", "", row.currency))
        rows += [
            (row.starts_on, rate.meter.name, rate.meter.code,
             _price(rate, row.currency), _steps(rate), _included(rate), row.currency)
            for rate in row.rates.all()
        ]  # fmt: skip
    return csv_file("prices", header, rows)


PRICES.files["rates"] = rates_file
PRICES.links = lambda request: [Link("Download prices (CSV)", "?csv=rates")]
