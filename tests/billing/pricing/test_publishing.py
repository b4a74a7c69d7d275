"""Publishing price lists: what is refused, and what the database keeps."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from billing.pricing.domain.rating import BadRate
from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.pricing.queries import published_price_list
from billing.pricing.services import (
    MetersMissing,
    MonthTaken,
    NoticeTooShort,
    PriceListNotDraft,
    publish_price_list,
)
from billing.webhooks.models import OutboxEvent
from core.money import UnknownCurrency
from tests.build import call, make_agency, make_prices, statuses, use

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)


def make_draft(starts_on: date = MAY, **rate: Any) -> PriceList:
    draft = PriceList.objects.create(
        code=f"NEXT-{starts_on}", currency="USD", starts_on=starts_on,
        seat_price=Decimal(49), seat_includes=[],
    )  # fmt: skip
    terms = {"minimum": 0, "increment": 1, "unit_size": 60, "model": "per_unit",
             "unit_price": Decimal("0.02"), "included_per_seat": 0}  # fmt: skip
    meter = Meter.objects.get(code="voice.out")
    Rate.objects.create(price_list=draft, meter=meter, **{**terms, **rate})
    for other in Meter.objects.exclude(pk=meter.pk):
        Rate.objects.create(price_list=draft, meter=other, unit_price=1)
    return draft


@pytest.fixture(autouse=True)
def prices():
    make_prices()


def add_rate(price_list: PriceList) -> None:
    meter, _ = Meter.objects.get_or_create(
        code="fax.page", name="Fax", raw_unit="page", billed_unit="page"
    )
    Rate.objects.create(price_list=price_list, meter=meter, unit_price=1)


class TestPublishing:
    def test_holds_from_its_month_on_and_not_before(self):
        publish_price_list(price_list=make_draft(), now=NOW)

        assert published_price_list("USD", date(2026, 4, 1)).seat_price == 50
        assert published_price_list("USD", MAY).seat_price == 49
        assert published_price_list("USD", date(2027, 1, 1)).seat_price == 49

    def test_refuses_a_month_without_notice(self):
        draft = make_draft()
        late = datetime(2026, 4, 2, tzinfo=UTC)  # 29 days ahead

        with pytest.raises(
            NoticeTooShort, match=r"30 days' notice\. The earliest start is 2026-06-01"
        ):
            publish_price_list(price_list=draft, now=late)
        publish_price_list(price_list=draft, now=late - timedelta(days=1))

    def test_no_setting_goes_below_two_days(self, settings):
        settings.BILLING = {**settings.BILLING, "PRICE_NOTICE_DAYS": 0}

        with pytest.raises(
            NoticeTooShort, match=r"2 days' notice\. The earliest start is 2026-06-01"
        ):
            publish_price_list(
                price_list=make_draft(), now=datetime(2026, 4, 30, tzinfo=UTC)
            )

    def test_refuses_a_second_list_for_a_month(self):
        publish_price_list(price_list=make_draft(), now=NOW)
        second = make_draft(JUNE)
        with transaction.atomic():
            PriceList.objects.filter(pk=second.pk).update(starts_on=MAY)

        with pytest.raises(MonthTaken):
            publish_price_list(price_list=second, now=NOW)

    def test_refuses_to_publish_twice(self):
        draft = publish_price_list(price_list=make_draft(), now=NOW)

        with pytest.raises(PriceListNotDraft):
            publish_price_list(price_list=draft, now=NOW)

    def test_counts_the_notice_by_whole_days_from_the_moment(self):
        """30 days before 1 May is 1 April, up to its last second (UTC)."""
        last = datetime(2026, 4, 1, 23, 59, 59, tzinfo=UTC)

        with pytest.raises(NoticeTooShort):
            publish_price_list(price_list=make_draft(), now=last + timedelta(seconds=1))
        publish_price_list(price_list=PriceList.objects.get(starts_on=MAY), now=last)

    def test_needs_no_notice_for_the_first_list_of_a_currency(self):
        first = make_draft()
        PriceList.objects.filter(pk=first.pk).update(currency="EUR")

        publish_price_list(price_list=first, now=datetime(2026, 7, 1, tzinfo=UTC))

        assert published_price_list("EUR", MAY).seat_price == 49

    def test_lets_two_currencies_change_in_one_month(self):
        publish_price_list(price_list=make_draft(), now=NOW)
        euro = make_draft(JUNE)
        PriceList.objects.filter(pk=euro.pk).update(currency="EUR", starts_on=MAY)

        publish_price_list(price_list=euro, now=NOW)

        assert published_price_list("EUR", MAY).code == euro.code

    def test_refuses_to_leave_out_what_the_list_before_has(self):
        draft = make_draft()
        draft.rates.exclude(meter__code="voice.out").delete()

        with pytest.raises(MetersMissing) as refused:
            publish_price_list(price_list=draft, now=NOW)

        assert "sms.segment" in refused.value.message
        assert "voice.out," not in refused.value.message
        draft.refresh_from_db()
        assert draft.state == "draft"

    def test_refuses_to_leave_out_what_is_used_though_the_list_before_does(self):
        make_agency()
        assert statuses(use(call(meter="mms", quantity=Decimal(1)))) == ["accepted"]
        poor = make_draft()
        poor.rates.exclude(meter__code="voice.out").delete()
        PriceList.objects.filter(pk=poor.pk).update(
            state="published", published_at=NOW, content_hash="by an older version"
        )
        draft, euro = make_draft(JUNE), make_draft(date(2026, 7, 1))
        PriceList.objects.filter(pk=euro.pk).update(currency="EUR")
        for price_list in (draft, euro):
            price_list.rates.exclude(meter__code="voice.out").delete()

        with pytest.raises(MetersMissing, match=r"no rate for mms,"):
            publish_price_list(price_list=draft, now=NOW)
        publish_price_list(price_list=euro, now=NOW)  # nobody in EUR uses it
        mms = Meter.objects.get(code="mms")
        Rate.objects.create(price_list=draft, meter=mms, unit_price=0)
        publish_price_list(price_list=draft, now=NOW)

    def test_may_offer_less_in_the_first_list_of_a_currency(self):
        first = make_draft()
        PriceList.objects.filter(pk=first.pk).update(currency="EUR")
        first.rates.exclude(meter__code="voice.out").delete()

        publish_price_list(price_list=first, now=NOW)

        assert published_price_list("EUR", MAY).seat_price == 49

    def test_refuses_an_unknown_currency(self):
        draft = make_draft()
        PriceList.objects.filter(pk=draft.pk).update(currency="XXX")

        with pytest.raises(UnknownCurrency):
            publish_price_list(price_list=draft, now=NOW)

    def test_leaves_a_refused_draft_as_it_was_and_publishes_no_event(self):
        draft = make_draft()
        published = OutboxEvent.objects.count()

        with pytest.raises(NoticeTooShort):
            publish_price_list(price_list=draft, now=datetime(2026, 4, 2, tzinfo=UTC))

        draft.refresh_from_db()
        assert (draft.state, draft.published_at, draft.content_hash) == (
            "draft", None, "",
        )  # fmt: skip
        assert OutboxEvent.objects.count() == published

    def test_announces_the_list_with_its_hash(self):
        published = publish_price_list(price_list=make_draft(), now=NOW)

        event = OutboxEvent.objects.latest("pk")
        assert (event.type, event.subject) == (
            "price_list.published", f"price_list:{published.code}",
        )  # fmt: skip
        assert event.payload["hash"] == published.content_hash

    def test_refuses_a_rate_without_a_price(self):
        with pytest.raises((BadRate, DatabaseError)):
            publish_price_list(price_list=make_draft(unit_price=None), now=NOW)


class TestGuards:
    @pytest.mark.parametrize(
        "change",
        [
            lambda row: PriceList.objects.filter(pk=row.pk).update(seat_price=1),
            lambda row: PriceList.objects.filter(pk=row.pk).update(state="draft"),
            lambda row: Rate.objects.filter(price_list=row).update(unit_price=1),
            lambda row: Rate.objects.filter(price_list=row).delete(),
            lambda row: PriceList.objects.filter(pk=row.pk).update(starts_on=JUNE),
            lambda row: PriceList.objects.filter(pk=row.pk).update(seat_includes=["x"]),
            lambda row: add_rate(row),
            lambda row: RateTier.objects.create(
                rate=row.rates.first(), position=0, unit_price=1
            ),
            lambda row: Rate.objects.filter(price_list__state="draft").update(
                price_list=row
            ),
            lambda row: Rate.objects.filter(price_list=row).update(
                price_list=PriceList.objects.get(state="draft")
            ),
            lambda row: row.delete(),
        ],
    )
    def test_a_published_list_never_changes(self, change):
        published = publish_price_list(price_list=make_draft(), now=NOW)
        make_draft(JUNE)

        refused = pytest.raises(DatabaseError, match="never changes")
        with refused, transaction.atomic():
            change(published)

    def test_a_list_starts_on_the_first_of_a_month(self):
        with pytest.raises(DatabaseError), transaction.atomic():
            make_draft(date(2026, 5, 2))
