"""Staff change seats: what they give away is said, and dates far ahead are refused."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.accounts.models import PayerShareSet
from billing.invoicing.verification.services import verify_books
from billing.webhooks.models import OutboxEvent
from seats.models import AgencyZone, Seat, SeatVersion, Upline
from tests.build import call, make_agency, make_agents, make_prices, make_seats, use
from tests.staff import confirm

pytestmark = pytest.mark.django_db


@pytest.fixture
def seat(db):
    """Used by ana on 2, 3 and 4 March."""
    make_prices()
    (seat,) = make_seats(make_agency(), "ana")
    for day in (2, 3, 4):
        at = datetime(2026, 3, day, 16, tzinfo=UTC)
        use(call(agent="ana", occurred_at=at))
    return seat


def act(staff, page, action, row, **content):
    content = {"action": action, "_selected_action": [row.pk], **content}
    answer = confirm(staff, reverse(f"admin:{page}_changelist"), content)
    return answer.content.decode()


class TestUsedDates:
    def test_that_staff_give_away_are_said_recorded_and_announced(self, staff, seat):
        on = {"on": "2026-03-03", "reason": "Wrong agent"}

        shown = act(staff, "seats_seat", "remove", seat, **on)

        assert "Waived although the seats were used: 2 seat days." in shown
        version = SeatVersion.objects.get(action="remove")
        assert (version.waived_days, version.reason) == (2, "Wrong agent")
        event = OutboxEvent.objects.get(type="seat.removed")
        assert event.payload["waived_days"] == 2
        assert verify_books().findings == []

    def test_that_are_not_touched_are_not_mentioned(self, staff, seat):
        on = {"on": "2026-03-09", "reason": "Left"}

        assert "1 removed." in (shown := act(staff, "seats_seat", "remove", seat, **on))
        assert "Waived" not in shown

    def test_without_a_seat_are_found_among_the_usage(self, staff, seat):
        page = reverse("admin:billing_usageday_changelist")
        act(staff, "seats_seat", "remove", seat, on="2026-03-03", reason="Left")

        days = staff.get(f"{page}?seat=none").context["cl"].queryset

        assert sorted(day.used_on for day in days) == [
            date(2026, 3, 3),
            date(2026, 3, 4),
        ]


class TestDatesAhead:
    def test_of_seats_are_refused_for_staff_too(self, staff):
        agency, other = make_agency(), make_agency("OTHER")
        (seat,) = make_seats(agency, "ana")
        (ben,) = make_agents(agency, "ben")
        make_agents(other, "ben")
        content = {"on": "2099-01-01", "reason": "typing error"}

        shown = [
            act(staff, "seats_seat", "remove", seat, **content),
            act(
                staff, "seats_seat", "hand_over", seat, agents="SUNRISE ben", **content
            ),
            act(staff, "seats_seat", "transfer", seat, agents="OTHER ben", **content),
            act(staff, "seats_agent", "add_a_seat", ben, **content),
        ]

        assert all("2099-01-01 is more than 400 days ahead" in page for page in shown)
        assert Seat.objects.get().version == 1

    def test_of_uplines_zones_and_payers_are_refused(self, staff):
        top, agency = make_agency("TOP"), make_agency()
        far = (timezone.now().date() + timedelta(days=403)).isoformat()

        shown = [
            act(staff, "seats_agency", "move", agency, upline=top.pk, on=far),
            act(staff, "seats_agency", "change_zone", agency, zone="America/Chicago",
                starts_on="2099-01-01"),
            staff.post(
                reverse("admin:billing_payershareset_add"),
                {"agency": agency.pk, "starts_on": far, "shares": "TOP 100"},
            ).content.decode(),
        ]  # fmt: skip

        assert all("more than 400 days ahead" in page for page in shown)
        assert not Upline.objects.exists()
        assert not PayerShareSet.objects.exists()
        assert AgencyZone.objects.filter(agency=agency).count() == 1

    def test_are_taken_up_to_the_setting(self, staff, settings):
        settings.BILLING = {**settings.BILLING, "AHEAD_DAYS": 30_000}
        (seat,) = make_seats(make_agency(), "ana")

        act(staff, "seats_seat", "remove", seat, on="2099-01-01", reason="Planned")

        assert Seat.objects.get().removed_on == date(2099, 1, 1)
