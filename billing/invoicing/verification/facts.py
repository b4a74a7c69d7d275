"""Reads facts row by row for verification, without the sums that billing uses."""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache

from django.db.models import F

from billing.accounts.models import PayerShareSet
from billing.invoicing.verification.recompute import (
    AgencyFacts,
    Amounts,
    SeatFact,
    ShareFact,
    UsageFact,
    owed,
)
from billing.metering.domain.parquet import EventSelection, read_events
from billing.metering.models import ArchivedMonth, UsageEvent
from billing.metering.queries.event_store import path_of
from billing.pricing.domain.rating import PriceListTerms
from billing.pricing.models import Meter, PriceList
from billing.pricing.queries import WITH_RATES, terms_of
from core.periods import month_of
from seats.models import Agency, SeatVersion


class RecomputedBooks:
    """Recorded facts by agency, read on first use, and the amounts owed by them."""

    def __init__(self, archives: Sequence[ArchivedMonth] = ()) -> None:
        self._archives = archives
        self._meters = dict(Meter.objects.values_list("pk", "code"))
        self._agencies = {agency.pk: agency for agency in Agency.objects.all()}
        lists = PriceList.objects.prefetch_related(*WITH_RATES).filter(
            state=PriceList.State.PUBLISHED
        )
        self._lists = [
            (row.currency, row.starts_on, terms_of(row))
            for row in lists.order_by("starts_on")
        ]
        self.facts = cache(self._facts)
        self.owed = cache(self._owed)

    def code(self, agency_id: int) -> str:
        return self._agencies[agency_id].code

    def prices(self, agency_id: int, month: date) -> PriceListTerms | None:
        """The terms of the newest price list that has started, if there is one."""
        currency = self._agencies[agency_id].currency
        started = [
            terms
            for list_currency, starts_on, terms in self._lists
            if list_currency == currency and starts_on <= month
        ]
        return started[-1] if started else None

    def first_month(self, agency_id: int) -> date | None:
        facts = self.facts(agency_id)
        days = [seat.added_on for seat in facts.seats]
        days += [event.day for event in facts.usage]
        return month_of(min(days)) if days else None

    def _owed(self, agency_id: int, month: date, cutoff: int) -> Amounts:
        prices = self.prices(agency_id, month)
        return owed(self.facts(agency_id), month, cutoff, prices)

    def _facts(self, agency_id: int) -> AgencyFacts:
        versions = SeatVersion.objects.filter(agency=agency_id).values_list(
            "seat", "number", "added_on", "removed_on", "cancelled", "cutoff"
        )
        events = (
            UsageEvent.objects.filter(agency=agency_id)
            .annotate(code=F("meter__code"))
            .values_list("code", "used_on", "raw", "cutoff")
        )
        sets = PayerShareSet.objects.filter(agency=agency_id).prefetch_related("shares")
        return AgencyFacts(
            agency_id,
            [SeatFact(*row) for row in versions],
            [UsageFact(*row) for row in events.iterator()]
            + list(self._archived_usage(agency_id)),
            [
                ShareFact(
                    row.pk,
                    row.starts_on,
                    row.cutoff,
                    {share.payer_id: share.percent for share in row.shares.all()},
                )
                for row in sets
            ],
        )

    def _archived_usage(self, agency_id: int) -> Iterator[UsageFact]:
        for archive in self._archives:
            for row in read_events(
                path_of(archive), EventSelection(agency_id=agency_id)
            ):
                if row.meter_id in self._meters:
                    meter = self._meters[row.meter_id]
                    yield UsageFact(meter, row.used_on, row.raw, row.cutoff)
