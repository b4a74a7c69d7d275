"""Dates in forms of the admin: the browser's calendar, and the day of the agency."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine
from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminDateWidget
from django.test import RequestFactory
from django.urls import reverse

from seats.models import User
from tests.build import make_agency, make_seats
from tests.staff import confirm

pytestmark = pytest.mark.django_db
NEW_YEARS_EVE = datetime(2026, 1, 1, 4, tzinfo=UTC)  # still 2025 in New York


def subclasses(base: type[Any]) -> Iterator[type[Any]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from subclasses(subclass)


def date_fields(form: Any) -> dict[str, forms.DateField]:
    return {
        name: field
        for name, field in form.base_fields.items()
        if isinstance(field, forms.DateField)
    }


def is_a_calendar(field: forms.DateField) -> bool:
    return 'type="date"' in field.widget.render("on", date(2026, 3, 9)) and (
        'value="2026-03-09"' in field.widget.render("on", date(2026, 3, 9))
    )


class TestDateFields:
    def test_of_all_our_forms_are_calendars_of_the_browser(self):
        own_forms = [
            form
            for form in subclasses(forms.BaseForm)
            if form.__module__.startswith(("seats.", "billing."))
            and hasattr(form, "base_fields")
        ]
        dated = {
            form.__name__: date_fields(form) for form in own_forms if date_fields(form)
        }

        assert {"ChangeForm", "MoveForm", "UplineForm", "ZoneForm", "HoldForm",
                "AddHoldForm", "ShareSetForm"} <= dated.keys()  # fmt: skip
        for name, fields in dated.items():
            assert all(map(is_a_calendar, fields.values())), name

    def test_of_all_pages_of_the_admin_are_calendars_of_the_browser(self, admin_user):
        request = RequestFactory().get("/")
        request.user = admin_user
        dated = set()
        for model, page in admin.site._registry.items():
            if not page.has_add_permission(request):
                continue
            for name, field in date_fields(page.get_form(request)).items():
                dated.add(f"{model._meta.model_name}.{name}")
                assert not isinstance(field.widget, AdminDateWidget), model
                assert is_a_calendar(field), model

        assert {"pricelist.starts_on", "payershareset.starts_on",
                "dunninghold.until"} <= dated  # fmt: skip


class TestProposedDays:
    @pytest.fixture
    def staff(self, client):
        with time_machine.travel(NEW_YEARS_EVE, tick=False):
            client.force_login(User.objects.create_superuser("s@example.com", "x" * 12))
            yield client

    def page_before(self, staff, page, action, *rows):
        content = {"action": action, "_selected_action": [row.pk for row in rows]}
        return staff.post(reverse(f"admin:{page}_changelist"), content).content.decode()

    @pytest.mark.parametrize(
        ("page", "action"),
        [
            ("seats_seat", "remove"),
            ("seats_seat", "hand_over"),
            ("seats_seat", "transfer"),
            ("seats_agent", "add_a_seat"),
            ("seats_agency", "move"),
        ],
    )
    @pytest.mark.parametrize(
        ("zone", "today"),
        [
            ("America/New_York", "2025-12-31"),
            ("Europe/Paris", "2026-01-01"),
            ("Pacific/Kiritimati", "2026-01-01"),
        ],
    )
    def test_are_those_of_the_agency(self, staff, page, action, zone, today):
        (seat,) = make_seats(make_agency(zone=zone), "ana")
        rows = {"seats_seat": seat, "seats_agent": seat.agent}

        shown = self.page_before(staff, page, action, rows.get(page, seat.agency))

        assert f'type="date" name="on" value="{today}"' in shown

    def test_of_several_agencies_are_over_at_none_of_them(self, staff):
        seats = [
            *make_seats(make_agency("WEST", zone="America/Los_Angeles"), "ana"),
            *make_seats(make_agency("EAST", zone="Asia/Tokyo"), "ana"),
        ]

        shown = self.page_before(staff, "seats_seat", "remove", *seats)

        assert 'value="2025-12-31"' in shown

    def test_of_a_zone_are_the_next_first_of_a_month_there(self, staff):
        west, east = make_agency("WEST"), make_agency("EAST", zone="Asia/Tokyo")

        for_west = self.page_before(staff, "seats_agency", "change_zone", west)
        for_both = self.page_before(staff, "seats_agency", "change_zone", west, east)

        assert 'name="starts_on" value="2026-01-01"' in for_west
        assert 'name="starts_on" value="2026-02-01"' in for_both

    def test_are_taken_as_they_stand_a_december_date_in_january_too(self, staff):
        (seat,) = make_seats(make_agency(), "ana", on=date(2025, 12, 1))
        content = {"action": "remove", "_selected_action": [seat.pk]}

        confirm(
            staff,
            reverse("admin:seats_seat_changelist"),
            {**content, "on": "2025-12-31", "reason": "Left"},
        )

        seat.refresh_from_db()
        assert seat.removed_on == date(2025, 12, 31)
