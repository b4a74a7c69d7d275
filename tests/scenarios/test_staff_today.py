"""Today lists what waits for a person; the navigation is by what staff do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.core.checks import run_checks
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.invoicing.models.runs import RunItem
from billing.recurring.services import record_pulse
from billing.webhooks.models import WebhookEndpoint
from config.admin.staff import MENU
from core.admin import today
from core.admin.today import LINES, age_text
from seats.api_keys.services import create_key
from seats.models import User
from tests.staff import log_in, make_staff, make_viewer

pytestmark = pytest.mark.django_db
SITE = admin.site
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def table(client):
    (panel,) = client.get("/admin/").context["panels"]
    return panel.table


def rows(client) -> dict[str, Any]:
    return {row[0].text: row for row in table(client).rows}


class TestToday:
    def test_lists_each_kind_that_waits(self, everything):
        create_key(
            agency=None, scopes=["usage:read"], actor="test", now=timezone.now(),
            expires_at=timezone.now() + timedelta(days=3),
        )  # fmt: skip
        record_pulse(queue="mail", now=timezone.now() - timedelta(hours=2))

        listed = rows(log_in(make_staff()))

        assert {
            "Parked payers", "Quarantined events", "Refunds to approve",
            "Processor events in quarantine", "Verification differences",
            "Mails that were not sent", "Endpoints that hold their events",
            "API keys that expire soon", "Recurring jobs that failed",
            "Queues that no worker serves",
        } <= listed.keys()  # fmt: skip
        assert listed["Queues that no worker serves"][2] == "2 hours"
        assert listed["API keys that expire soon"][2] == "in 2 days"

    def test_leads_to_lists_of_as_many_rows_as_it_counts(self, everything):
        staff = log_in(make_staff())
        create_key(
            agency=None, scopes=["usage:read"], actor="test", now=timezone.now(),
            expires_at=timezone.now() + timedelta(days=3),
        )  # fmt: skip
        exempt = {"Recurring jobs that failed", "Pauses of dunning that end soon",
                  "Days that differ from a processor", "Files whose import failed"}  # fmt: skip
        compared = 0
        for name, row in rows(staff).items():
            answer = staff.get(row[0].url)
            assert answer.status_code == 200, name
            assert "e=1" not in answer.request["QUERY_STRING"]
            if name in exempt or "cl" not in answer.context:
                continue
            assert answer.context["cl"].result_count == int(row[1]), name
            compared += 1
        assert compared >= 8

    def test_counts_no_further_than_a_limit(self, everything, monkeypatch):
        monkeypatch.setattr(today, "MOST", 1)
        WebhookEndpoint.objects.update(state="paused")

        row = rows(log_in(make_staff()))["Endpoints that hold their events"]

        assert row[1] == "1+"

    def test_shows_each_job_its_own_lines(self, everything):
        support = rows(log_in(make_staff("s@example.com", job="support")))

        assert "Quarantined events" in support
        assert not support.keys() & {"Parked payers", "Refunds to approve"}

    def test_takes_as_many_queries_when_all_is_done(self, everything):
        staff = log_in(make_staff())
        counts = []
        for _ in range(2):
            with CaptureQueriesContext(connection) as queries:
                staff.get("/admin/")
            counts.append(len(queries))
            RunItem.objects.update(state="released")
        assert counts[0] == counts[1]
        assert counts[0] < len(LINES) + 10

    @pytest.mark.parametrize("line", LINES, ids=lambda line: line.title)
    def test_reads_each_line_in_one_query(
        self, line, everything, django_assert_num_queries
    ):
        with django_assert_num_queries(1):
            line.read(timezone.now())


class TestADoneDay:
    def test_says_when_nothing_waits(self, db):
        staff = log_in(make_staff())

        assert table(staff).rows == []
        page = staff.get("/admin/").content.decode()
        assert "All done: nothing waits for a person" in page
        assert "no parked payers" in page

    def test_tells_who_has_no_job(self, db):
        nobody = make_staff("nobody@example.com", job="support")
        nobody.groups.clear()

        page = log_in(nobody).get("/admin/")

        assert page.status_code == 200
        assert "A superuser gives jobs" in page.content.decode()


class TestAgeText:
    @pytest.mark.parametrize(
        ("ago", "text"),
        [
            (timedelta(seconds=3), "less than a minute"),
            (timedelta(minutes=1), "1 minute"),
            (timedelta(hours=47), "1 day"),
            (timedelta(days=-2), "in 2 days"),
        ],
    )
    def test_is_in_the_largest_unit(self, ago, text):
        assert age_text(NOW - ago, NOW) == text


class TestNavigation:
    def groups(self, client):
        apps = client.get("/admin/").context["available_apps"]
        return {app["name"]: [row["name"] for row in app["models"]] for app in apps}

    def test_has_every_page_in_its_place(self, everything):
        groups = self.groups(log_in(make_staff()))

        assert groups == {group: list(names) for group, names in MENU}

    def test_shows_a_job_only_its_pages(self, everything):
        groups = self.groups(log_in(make_staff("s@example.com", job="support")))

        assert "Health" not in groups
        assert "Payments" not in {name for names in groups.values() for name in names}
        assert "Quarantine" in groups["Usage imports and quarantine"]

    def test_leads_to_pages_that_open(self, everything):
        staff = log_in(make_viewer())
        apps = staff.get("/admin/").context["available_apps"]

        for app in apps:
            for entry in app["models"]:
                assert staff.get(entry["admin_url"]).status_code == 200, entry["name"]

    def test_leads_from_the_trail_of_a_page_to_today(self, everything):
        answer = log_in(make_staff()).get("/admin/billing/")

        assert answer.headers["location"] == "/admin/"

    def test_marks_the_page_that_is_shown(self, everything):
        staff = log_in(make_staff())
        for path, name in {
            "/admin/": "What waits",
            "/admin/billing/document/": "Invoices and credit notes",
            "/admin/billing-runs/plan/": "Plan",
        }.items():
            apps = staff.get(path).context["available_apps"]
            rows = [row for app in apps for row in app["models"] if row["is_current"]]
            assert [row["name"] for row in rows] == [name]

    def test_names_lists_as_their_titles_do(self, everything):
        staff = log_in(make_staff())

        page = staff.get("/admin/billing/runitem/").content.decode()

        assert "<title>Payers of runs" in " ".join(page.split()).replace("> ", ">")

    def test_misses_a_page_without_a_place(self, monkeypatch):
        page = SITE.get_model_admin(User)
        monkeypatch.setattr(type(page), "menu", ("Nowhere", "Users"))

        (problem,) = [e for e in run_checks() if e.id == "config.E017"]

        assert "UserAdmin has no place" in problem.msg

    def test_misses_a_page_in_the_place_of_another(self, monkeypatch):
        page = SITE.get_model_admin(User)
        monkeypatch.setattr(type(page), "menu", ("People and rights", "Members"))

        (problem,) = [e for e in run_checks() if e.id == "config.E017"]

        assert "has the place of" in problem.msg
