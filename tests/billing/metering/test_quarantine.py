"""Quarantined events are held until staff release, replace or drop them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.invoicing.verification.services import verify_books
from billing.metering.models import QuarantinedEvent, UsageDay, UsageEvent
from billing.metering.services.ingest import ingest_events
from billing.metering.services.quarantine_actions import (
    NotAConflict,
    NotHeld,
    drop_events,
    release_events,
    replace_events,
)
from seats.models import User
from tests.build import (
    APRIL_2,
    MARCH,
    bill,
    call,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    statuses,
    use,
)
from tests.staff import confirm

pytestmark = pytest.mark.django_db


@pytest.fixture
def sunrise():
    make_prices()
    return make_agency()


def held():
    return list(QuarantinedEvent.objects.filter(state="held").order_by("pk"))


def ids(rows):
    return [row.pk for row in rows]


def settle(work, rows, **options):
    return work(event_ids=ids(rows), actor="staff", now=APRIL_2, **options)


class TestKeeping:
    def test_keeps_what_names_something_unknown_once_for_each_content(self, sunrise):
        events = [
            call(agent="ana", id="a"),
            call("NOWHERE", id="b"),
            call(meter="nope"),
        ]

        use(*events)
        use(*events)

        assert {(row.code, row.agency) for row in held()} == {
            ("unknown_agent", sunrise), ("unknown_agency", None),
        }  # fmt: skip
        assert {row.event["quantity"] for row in held()} == {"135"}
        assert not UsageEvent.objects.exists()

    @pytest.mark.parametrize("name", ["x" * 201, "a\0b", "\ud800"])
    def test_keeps_nothing_that_could_not_be_a_name(self, sunrise, name):
        assert statuses(use(call(agent=name))) == ["unknown_agent"]
        assert held() == []


class TestReleasing:
    def test_counts_many_at_once_when_the_agent_was_added(self, sunrise):
        use(*[call(agent="ana") for _ in range(50)], call(agent="ben"))
        make_agents(sunrise, "ana")

        assert settle(release_events, held()) == 50

        assert [row.event["agent"] for row in held()] == ["ben"]
        assert UsageDay.objects.get().events == 50
        assert verify_books().findings == []
        with pytest.raises(NotHeld):
            settle(release_events, QuarantinedEvent.objects.filter(state="released"))

    def test_counts_for_the_agent_that_was_meant(self, sunrise):
        make_agents(sunrise, "ana")
        use(call(agent="anna"), call("SUNRIZE", agent="ana"))

        assert settle(release_events, held(), agency="SUNRISE", agent="ana") == 2

        agents = UsageEvent.objects.values_list("agent__external_id", flat=True)
        assert [*agents] == ["ana", "ana"]

    def test_keeps_the_owner_so_that_a_resend_stays_a_duplicate(self, sunrise):
        event = call(agent="ana")
        ingest_events([event], owner=sunrise.pk, now=APRIL_2)
        make_agents(sunrise, "ana")

        settle(release_events, held())

        again = ingest_events([event], owner=sunrise.pk, now=APRIL_2)
        assert statuses(again) == ["duplicate"]

    def test_counts_what_came_in_time_however_long_it_waited(self, sunrise):
        make_seats(sunrise, "ben")
        use(call(agent="ana"), now=APRIL_2)
        bill(MARCH)
        make_agents(sunrise, "ana")
        late = datetime(2027, 1, 2, 12, tzinfo=UTC)
        event = call(agent="ana")

        released = release_events(event_ids=ids(held()), actor="staff", now=late)

        assert released == 1
        assert UsageEvent.objects.get().received_at == APRIL_2
        assert statuses(use(event, now=late)) == ["too_old"]

    def test_settles_what_came_again_by_itself(self, sunrise):
        event = call(agent="ana")
        use(event)
        make_agents(sunrise, "ana")
        use(event)

        assert settle(release_events, held()) == 1
        assert UsageDay.objects.get().events == 1

    def test_for_a_wrong_name_keeps_the_event_once(self, sunrise):
        use(call(agent="anna"))

        assert settle(release_events, held(), agent="nobody") == 0

        (row,) = held()
        assert (row.code, row.event["agent"]) == ("unknown_agent", "anna")


class TestConflicts:
    def test_are_counted_in_place_of_what_was_counted(self, sunrise):
        use(call(id="a", quantity=Decimal(135)))
        use(call(id="a", quantity=Decimal(61)))

        assert settle(replace_events, held()) == 1

        day = UsageDay.objects.get()
        assert [day.events, day.raw, day.billable] == [1, 61, 120]
        assert verify_books().findings == []

    def test_stay_conflicts_when_released(self, sunrise):
        use(call(id="a"))
        use(call(id="a", quantity=Decimal(61)))

        assert settle(release_events, held()) == 0
        assert [row.code for row in held()] == ["conflict"]

    def test_only_they_replace_something(self, sunrise):
        use(call(agent="ana"))

        with pytest.raises(NotAConflict):
            settle(replace_events, held())

    def test_are_dropped_and_stay_on_record(self, sunrise):
        use(call(id="a"))
        use(call(id="a", quantity=Decimal(61)))

        settle(drop_events, held())

        row = QuarantinedEvent.objects.get()
        assert (row.state, row.settled_by) == ("dropped", "staff")
        assert UsageDay.objects.get().raw == 135


class TestAdmin:
    @pytest.fixture
    def staff(self, client):
        client.force_login(User.objects.create_superuser("staff@example.com", "x"))
        return client

    def act(self, staff, action, rows, **fields):
        url = reverse("admin:billing_quarantinedevent_changelist")
        data = {"action": action, "_selected_action": ids(rows), **fields}
        return confirm(staff, url, data) if "apply" in fields else staff.post(url, data)

    def test_releases_after_a_page_that_lists_them(self, staff, sunrise):
        use(call(agent="ana", id="held call"))
        make_agents(sunrise, "ana")

        page = self.act(staff, "release", held())
        assert "held call" in page.content.decode()
        done = self.act(staff, "release", held(), apply="1")

        assert "1 counted." in done.content.decode()
        assert held() == []

    def test_releases_all_of_a_filter_at_once(self, staff, sunrise):
        use(*[call(agent="ana") for _ in range(150)])
        make_agents(sunrise, "ana")

        page = self.act(staff, "release", held()[:1], select_across="1")
        assert "and 50 more" in page.content.decode()
        self.act(staff, "release", held()[:1], select_across="1", apply="1")

        assert UsageDay.objects.get().events == 150

    @pytest.mark.parametrize("action", ["replace_counted", "drop"])
    def test_settles_conflicts(self, staff, sunrise, action):
        use(call(id="a"))
        use(call(id="a", quantity=Decimal(61)))

        self.act(staff, action, held(), apply="1")

        assert held() == []
