"""Where each person is sent, and what pages may run."""

import pytest
from django.test import Client

from seats.models import Member, User
from tests.build import MARCH_1, make_agency
from tests.staff import log_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def member():
    user = User.objects.create_user("owner@example.com", PASSWORD)
    Member.objects.create(
        user=user, agency=make_agency(), role="owner", created_at=MARCH_1
    )
    return user


@pytest.fixture
def staff():
    return User.objects.create_user("staff@example.com", PASSWORD, is_staff=True)


def log_in_at_the_root(email: str) -> str:
    """The address that somebody reaches who logs in from the root."""
    client = Client()
    page = client.get("/", follow=True)
    (address, _) = page.redirect_chain[-1]
    sent = {"login": email, "password": PASSWORD, "next": "/"}
    answer = client.post(address, sent, follow=True)
    return str(answer.request["PATH_INFO"])


class TestTheRoot:
    def test_leads_strangers_to_log_in(self, client):
        assert client.get("/").headers["location"] == "/accounts/login/?next=/"

    def test_leads_members_to_their_agencies(self, member):
        assert log_in_at_the_root("owner@example.com") == "/agency/"

    def test_leads_staff_to_their_site(self, staff):
        assert log_in_at_the_root("staff@example.com") == "/admin/"

    def test_lets_nobody_in_without_a_role(self, client):
        User.objects.create_user("lost@example.com", PASSWORD)

        assert log_in_at_the_root("lost@example.com") == "/accounts/login/"


class TestTheSites:
    def test_are_closed_to_the_other_kind_of_person(self, member, staff):
        at_admin = log_in(member).get("/admin/")
        at_agency = log_in(staff).get("/agency/", follow=True)

        assert at_admin.headers["location"].startswith("/admin/login/")
        assert at_agency.status_code == 403

    def test_are_both_open_to_staff_who_are_members(self, member):
        User.objects.update(is_staff=True)
        both = log_in(member)

        assert both.get("/agency/").status_code == 200
        assert both.get("/admin/").status_code == 200

    def test_close_to_whoever_is_deactivated(self, member):
        client = log_in(member)
        User.objects.update(is_active=False)

        assert client.get("/agency/").status_code == 302


class TestThePolicy:
    @pytest.mark.parametrize("path", ["/agency/", "/agency/seats/seat/", "/nothing"])
    def test_of_pages_allows_no_inline_script_and_no_other_server(self, member, path):
        answer = log_in(member).get(path)

        policy = answer.headers["Content-Security-Policy"]
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == "'self' 'unsafe-eval'"
        assert rules["style-src"] == "'self'"
        assert rules["frame-ancestors"] == "'none'"
        assert b"<style" not in answer.content
        assert b"<script>" not in answer.content

    def test_of_the_api_allows_nothing(self, client):
        policy = client.get("/api/v1/seats").headers["Content-Security-Policy"]

        assert "script-src" not in policy
        assert "default-src 'none'" in policy
