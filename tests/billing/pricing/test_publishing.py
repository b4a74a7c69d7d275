"""Publishing price lists: what is refused, and what the database keeps."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from billing.pricing.models import Meter, PriceList, Rate
from billing.pricing.queries import published_price_list
from billing.pricing.rating import BadRate
from billing.pricing.services import (
    MonthTaken,
    NotADraft,
    NoticeTooShort,
    publish_price_list,
)
from tests.build import make_prices

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
    return draft


@pytest.fixture(autouse=True)
def prices():
    make_prices()


class TestPublishing:
    def test_holds_from_its_month_on_and_not_before(self):
        publish_price_list(price_list=make_draft(), now=NOW)

        assert published_price_list("USD", date(2026, 4, 1)).seat_price == 50
        assert published_price_list("USD", MAY).seat_price == 49
        assert published_price_list("USD", date(2027, 1, 1)).seat_price == 49

    def test_refuses_a_month_without_notice(self):
        draft = make_draft()
        late = datetime(2026, 4, 2, tzinfo=UTC)  # 29 days ahead

        with pytest.raises(NoticeTooShort, match="30 days"):
            publish_price_list(price_list=draft, now=late)
        publish_price_list(price_list=draft, now=late - timedelta(days=1))

    def test_no_setting_goes_below_two_days(self, settings):
        settings.BILLING = {**settings.BILLING, "PRICE_NOTICE_DAYS": 0}

        with pytest.raises(NoticeTooShort, match="2 days"):
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

        with pytest.raises(NotADraft):
            publish_price_list(price_list=draft, now=NOW)

    def test_refuses_a_rate_that_says_nothing(self):
        with pytest.raises((BadRate, DatabaseError)):
            publish_price_list(price_list=make_draft(unit_price=None), now=NOW)


class TestGuards:
    @pytest.mark.parametrize(
        "change",
        [
            lambda row: PriceList.objects.filter(pk=row.pk).update(seat_price=1),
            lambda row: PriceList.objects.filter(pk=row.pk).update(status="draft"),
            lambda row: Rate.objects.filter(price_list=row).update(unit_price=1),
            lambda row: Rate.objects.filter(price_list=row).delete(),
            lambda row: row.delete(),
        ],
    )
    def test_a_published_list_never_changes(self, change):
        published = publish_price_list(price_list=make_draft(), now=NOW)

        with pytest.raises(DatabaseError), transaction.atomic():
            change(published)

    def test_a_list_starts_on_the_first_of_a_month(self):
        with pytest.raises(DatabaseError), transaction.atomic():
            make_draft(date(2026, 5, 2))
