"""Event messages and timelines, in the local dates of their agency."""

from datetime import date
from string import Formatter

import pytest

from billing.webhooks.domain.catalogue import catalogue
from billing.webhooks.domain.event_messages import event_message
from billing.webhooks.models import OutboxEvent
from billing.webhooks.queries.timeline import timeline_of
from core.periods import ZonePeriod
from core.webhook_events import event_types, payload_fields
from tests.billing.webhooks.stories import play_everything
from tests.build import make_agency, make_seats

NEW_YORK = [ZonePeriod(date(2026, 1, 1), "America/New_York")]


def fields_of(message: str) -> set[str]:
    """The fields that a message names in braces."""
    return {name for _, name, _, _ in Formatter().parse(message) if name}


class TestEventMessage:
    def test_says_amounts_with_their_currency_and_moments_as_local_dates(self):
        payload = {
            "number": "A-00001", "month": "2026-03-01", "total": "100", "reason": "",
            "currency": "USD", "due_at": "2026-04-16T03:59:00+00:00",
        }  # fmt: skip

        assert event_message("invoice.issued", payload, NEW_YORK) == (
            "Invoice A-00001 for 2026-03 was issued: 100.00 USD, due on 2026-04-15."
        )

    def test_tells_a_transfer_by_the_side_it_is_published_at(self):
        payload = {
            "agent": "ana", "version": 3, "added_on": "2026-03-01",
            "removed_on": "2026-03-09",
        }  # fmt: skip
        arrival = {**payload, "version": 1, "added_on": "2026-03-09"}

        assert event_message("seat.transferred", payload, NEW_YORK) == (
            "Seat of ana was transferred to another agency on 2026-03-09."
        )
        assert event_message("seat.transferred", arrival, NEW_YORK) == (
            "Seat of ana was transferred from another agency on 2026-03-09."
        )

    @pytest.mark.parametrize("kind", ["run.finished", "invoice.paid"])
    def test_falls_back_to_the_catalogue(self, kind):
        assert event_message(kind, {}, NEW_YORK) == catalogue()[kind].description

    @pytest.mark.parametrize("event", event_types().values(), ids=event_types())
    def test_names_only_fields_of_its_event(self, event):
        for version in (1, 2):
            message = event.message_for({"version": version})
            assert fields_of(message) <= payload_fields(event).keys()

    def test_leaves_a_type_that_is_gone_as_it_is(self):
        assert event_message("moon.rose", {"phase": "full"}, NEW_YORK) == "moon.rose"

    def test_finds_in_each_event_of_a_story_the_fields_that_it_names(
        self, db, settings
    ):
        settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
        play_everything()

        for event in OutboxEvent.objects.all():
            message = event_types()[event.type].message_for(event.payload)
            assert fields_of(message) <= event.payload.keys(), event.type


class TestTimelineOf:
    def test_tells_the_newest_first_in_the_time_of_the_agency(self, db):
        agency = make_agency(zone="America/Denver")
        make_seats(agency, "ana")
        make_seats(make_agency("OTHER"), "ben")

        timeline = timeline_of(agency=agency, before=None, limit=50)

        assert [entry.message for entry in timeline.entries] == [
            "Seat of ana was added from 2026-03-01 on.",
            (
                "Sunrise Agency became a customer, billed in USD, in time zone"
                " America/Denver."
            ),
        ]
        assert timeline.entries[0].at.isoformat() == "2026-03-01T08:00:00-07:00"
        assert (timeline.older, timeline.newer) == (None, None)

    def test_goes_page_by_page_both_ways(self, db):
        agency = make_agency()
        make_seats(agency, *(f"a{n}" for n in range(9)))  # ten events with the first

        pages, before = [], None
        while True:
            page = timeline_of(agency=agency, before=before, limit=4)
            pages.append([entry.sequence for entry in page.entries])
            if page.older is None:
                break
            before = page.older
        assert pages == [[10, 9, 8, 7], [6, 5, 4, 3], [2, 1]]
        back = timeline_of(agency=agency, before=page.newer, limit=4)
        assert [entry.sequence for entry in back.entries] == [6, 5, 4, 3]
        top = timeline_of(agency=agency, before=back.newer, limit=4)
        assert [entry.sequence for entry in top.entries] == [10, 9, 8, 7]

    @pytest.mark.parametrize("count", [2, 40])
    def test_takes_as_many_queries_for_many_events(
        self, db, count, django_assert_num_queries
    ):
        agency = make_agency()
        make_seats(agency, *(f"a{n}" for n in range(count)))

        with django_assert_num_queries(3):
            timeline_of(agency=agency, before=30, limit=50)
