"""The page of one agency for staff: all that support needs, within their permissions."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from core.admin.pages import PAGES_OF_PANELS
from seats.models import Agency, User
from tests.staff import log_in, make_staff, make_viewer

pytestmark = pytest.mark.django_db
PANELS = {
    "agency", "tree", "members", "invitations", "seats", "payers", "account", "prices",
    "documents", "payments", "charges", "dunning", "usage", "imports", "quarantine",
    "budgets", "keys", "endpoints", "mails",
}  # fmt: skip
MONEY = {"payments", "charges"}


def panels_of(response):
    return {panel.key: panel for panel in response.context["panels"]}


def make_nobody() -> User:
    user = make_staff("nobody@example.com", job="support")
    user.groups.clear()
    return user


class TestAgencyPage:
    def test_has_all_that_support_needs(self, everything):
        page = log_in(make_staff()).get(reverse("admin:agency", args=["SUNRISE"]))

        assert set(panels_of(page)) >= PANELS
        text = page.content.decode()
        for part in (
            "owner@sunrise.example.com",
            "never",
            "visa",
            "https://hooks.example.com/in",
            "calls-of-march-2026-sunrise.csv",
            "no agent",
        ):
            assert part in text, part
        assert "<title>" in text
        assert Agency.objects.get(code="SUNRISE").name in page.context["title"]

    def test_shows_support_no_payments(self, everything):
        page = log_in(make_staff("s@example.com", job="support")).get(
            reverse("admin:agency", args=["SUNRISE"])
        )

        assert page.status_code == 200
        assert not panels_of(page).keys() & MONEY
        assert (
            log_in(make_staff("s2@example.com", job="support"))
            .get(reverse("admin:agency", args=["SUNRISE"]), {"csv": "payments"})
            .status_code
            == 404
        )

    def test_is_refused_without_permission(self, everything):
        nobody = log_in(make_nobody())

        assert nobody.get(reverse("admin:agency", args=["SUNRISE"])).status_code == 403

    @pytest.mark.parametrize("code", ["NOWHERE", "sunrise", "a%00b"])
    def test_is_not_there_for_what_is_no_agency(self, everything, code):
        staff = log_in(make_staff())

        assert staff.get(f"/admin/agency/{code}/").status_code == 404

    def test_takes_a_fixed_number_of_queries(
        self, everything, django_assert_max_num_queries
    ):
        staff = log_in(make_staff())
        for code in ("SUNRISE", "TOP", "PARKED"):
            with django_assert_max_num_queries(46):
                assert staff.get(f"/admin/agency/{code}/").status_code == 200

    def test_is_where_the_list_of_agencies_leads(self, everything):
        staff = log_in(make_staff())

        page = staff.get(reverse("admin:seats_agency_changelist"), {"q": "sunri"})

        assert 'href="/admin/agency/SUNRISE/"' in page.content.decode()

    def test_links_to_lists_of_this_agency_alone(self, everything):
        staff = log_in(make_staff())
        page = staff.get("/admin/agency/SUNRISE/")

        links = [link for p in panels_of(page).values() for link in p.links]

        assert len(links) > 15
        for link in links:
            answer = staff.get(link.url)
            assert answer.status_code == 200, link
            assert "e=1" not in answer.request["QUERY_STRING"]
        documents = staff.get(panels_of(page)["documents"].links[0].url)
        rows = documents.context["cl"].result_list
        assert {row.payer.code for row in rows} == {"SUNRISE"}

    @pytest.mark.parametrize("page", [p for p in PAGES_OF_PANELS if p.site == "admin"],
                             ids=lambda page: page.name)  # fmt: skip
    def test_asks_for_permissions_that_exist(self, page, db):
        names = {page.permission, *(slot.permission for slot in page.slots)} - {""}

        existing = {
            f"{app}.{name}"
            for app, name in Permission.objects.values_list(
                "content_type__app_label", "codename"
            )
        }
        assert names <= existing


class TestViewers:
    def test_see_every_panel(self, everything):
        page = log_in(make_viewer()).get("/admin/agency/SUNRISE/")

        assert set(panels_of(page)) >= PANELS
