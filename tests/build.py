"""Small builders: what a test needs, by the services that make it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from billing.invoicing.models.documents import Document
from billing.invoicing.models.runs import BillingRun
from billing.invoicing.services.closing import close_due
from billing.invoicing.services.runs import start_run
from billing.metering.domain.events import IncomingEvent, IngestResult
from billing.metering.services.ingest import ingest_events
from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.pricing.services import publish_default_prices, publish_price_list
from core.periods import next_month
from seats.agencies.services import add_agency
from seats.models import Agency, Agent, Seat
from seats.roster.services.seats import add_agents, add_seats

JANUARY = date(2026, 1, 1)
MARCH = date(2026, 3, 1)
APRIL = date(2026, 4, 1)
MAY = date(2026, 5, 1)
MARCH_1 = datetime(2026, 3, 1, 15, tzinfo=UTC)
APRIL_2 = datetime(2026, 4, 2, 15, tzinfo=UTC)
MAY_2 = datetime(2026, 5, 2, 15, tzinfo=UTC)

_ids = count(1)


def make_prices() -> PriceList:
    """The default meters and list, from January 2026 on."""
    return publish_default_prices(
        starts_on=JANUARY, now=datetime(2025, 12, 1, tzinfo=UTC)
    )


def make_other_prices(*, starts_on: date) -> PriceList:
    """A list with another seat price, other steps, and the models the first has not."""
    other = PriceList.objects.create(
        code=f"OTHER-{starts_on:%Y-%m}",
        currency="USD",
        starts_on=starts_on,
        seat_price=Decimal("43.99"),
        seat_includes=[],
    )
    meters = {meter.code: meter for meter in Meter.objects.all()}
    steps: dict[str, Any] = {"minimum": 30, "increment": 6, "unit_size": 60}
    calls = Rate.objects.create(
        price_list=other, meter=meters["voice.out"], model="graduated", **steps
    )
    for position, (up_to, price) in enumerate([(90, "0.0210"), (None, "0.0155")]):
        RateTier.objects.create(
            rate=calls, position=position, up_to=up_to, unit_price=Decimal(price)
        )
    Rate.objects.create(
        price_list=other, meter=meters["sms.segment"], model="package",
        package_size=1000, unit_price=Decimal("9.5"),
    )  # fmt: skip
    Rate.objects.create(
        price_list=other, meter=meters["ai.minute"], unit_price=Decimal("0.0111"),
        included_per_seat=1, **steps,
    )  # fmt: skip
    for rate in Rate.objects.filter(price_list__code__startswith="STD"):
        if not other.rates.filter(meter=rate.meter).exists():
            rate.pk, rate.price_list = None, other
            rate.save()
    return publish_price_list(price_list=other, now=datetime(2025, 12, 1, tzinfo=UTC))


def make_draft_list(code: str, *, starts_on: date, meters: int = 11) -> PriceList:
    """A draft of the default currency with a rate for each meter, or for the first."""
    draft = PriceList.objects.create(
        code=code, currency="USD", starts_on=starts_on, seat_price=Decimal(60)
    )
    for meter in Meter.objects.order_by("-code")[:meters]:
        Rate.objects.create(price_list=draft, meter=meter, unit_price=1)
    return draft


def make_agency(
    code: str = "SUNRISE",
    *,
    zone: str = "America/New_York",
    currency: str = "USD",
    now: datetime = MARCH_1,
    upline: Agency | None = None,
) -> Agency:
    return add_agency(
        code=code,
        name=f"{code.title()} Agency",
        zone=zone,
        currency=currency,
        now=now,
        actor="test",
        upline=upline,
    )


def make_agents(agency: Agency, *names: str) -> list[Agent]:
    agents = [Agent(external_id=name, name=name.title()) for name in names]
    return add_agents(agency=agency, agents=agents, now=MARCH_1)


def make_seats(
    agency: Agency, *names: str, on: date = MARCH, now: datetime = MARCH_1
) -> list[Seat]:
    """Agents of these names with a seat each."""
    agents = make_agents(agency, *names)
    return add_seats(
        agents=agents, on=on, actor="test", now=now, staff=True, reason="test"
    )


def call(agency: str = "SUNRISE", **changes: Any) -> IncomingEvent:
    """An outbound call of two minutes and a quarter at noon of 10 March."""
    payload: dict[str, Any] = {
        "source": "/dialer/test",
        "id": f"call-{next(_ids)}",
        "agency": agency,
        "agent": None,
        "meter": "voice.out",
        "quantity": Decimal(135),
        "occurred_at": datetime(2026, 3, 10, 16, tzinfo=UTC),
        "properties": {"dial_mode": "power"},
    }
    return IncomingEvent(**{**payload, **changes})


def use(
    *events: IncomingEvent, now: datetime = datetime(2026, 3, 31, 12, tzinfo=UTC)
) -> list[IngestResult]:
    return ingest_events(events, owner=0, now=now)


def bill(
    month: date, *, now: datetime | None = None, payer: Agency | None = None
) -> BillingRun:
    """Run a month in this process, from the day after it is over."""
    now = now or datetime.combine(next_month(month), datetime.min.time(), UTC) + (
        timedelta(days=1, hours=12)
    )
    run = start_run(month=month, actor="test", now=now, payer=payer)
    while close_due(now=now, run=run):
        pass
    run.refresh_from_db()
    return run


def documents_of(agency: Agency) -> list[Document]:
    return list(Document.objects.filter(payer=agency).order_by("pk"))


def totals(agency: Agency) -> list[Decimal]:
    return [document.total for document in documents_of(agency)]


def statuses(results: Sequence[IngestResult]) -> list[str]:
    return [result.code or result.status for result in results]
