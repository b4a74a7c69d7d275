"""Where somebody is logged in, and when that ends."""

import pytest
from django.test import Client
from django.urls import reverse

from seats.models import Member, User
from tests.accounts.people import is_logged_in, log_in
from tests.build import MARCH_1, make_agency
from tests.staff import confirm, page_of

SESSIONS = reverse("usersessions_list")
pytestmark = pytest.mark.django_db


class TestSessions:
    def test_lists_them_with_address_and_browser(self, owner):
        there = Client(
            REMOTE_ADDR="2001:db8::7", headers={"user-agent": "<b>Phone</b>"}
        )
        log_in(owner.email, client=there)
        here, _ = log_in(owner.email)

        page = here.get(SESSIONS).content.decode()

        assert "2001:db8::7" in page
        assert "&lt;b&gt;Phone&lt;/b&gt;" in page
        assert page.count("Log out there") == 1

    def test_believes_no_invented_address(self, owner, settings):
        forged = Client(
            headers={"x-forwarded-for": "203.0.113.5"}, REMOTE_ADDR="nonsense"
        )
        log_in(owner.email, client=forged)
        settings.TRUSTED_PROXIES = 1
        behind = Client(headers={"x-forwarded-for": "10.6.6.6, ::ffff:203.0.113.5"})
        log_in(owner.email, client=behind)

        addresses = {row.ip for row in behind.get(SESSIONS).context["sessions"]}

        assert addresses == {"0.0.0.0", "203.0.113.5"}

    def test_ends_one_or_all_others(self, owner):
        here, first, second = (log_in(owner.email)[0] for _ in range(3))
        rows = {
            row.session_key: row.pk for row in here.get(SESSIONS).context["sessions"]
        }

        here.post(SESSIONS, {"session": rows[first.session.session_key]})
        after_first = [is_logged_in(client) for client in (here, first, second)]
        here.post(SESSIONS)

        assert after_first == [True, False, True]
        assert [is_logged_in(client) for client in (here, second)] == [True, False]

    def test_ends_none_of_somebody_else(self, owner, staff):
        victim, _ = log_in(staff.email)
        row = victim.get(SESSIONS).context["sessions"][0]
        here, _ = log_in(owner.email)

        here.post(SESSIONS, {"session": row.pk})
        here.post(SESSIONS)

        assert is_logged_in(victim)

    def test_ends_by_logging_out(self, owner):
        client, _ = log_in(owner.email)

        assert client.get(reverse("account_logout")).status_code == 200
        assert is_logged_in(client)
        client.post(reverse("account_logout"))

        assert not is_logged_in(client)


class TestStanding:
    def test_ends_a_session_with_the_last_membership(self, owner, agency, staff):
        other = make_agency("MOON")
        Member.objects.create(
            user=owner, agency=other, role="supervisor", created_at=MARCH_1
        )
        session, _ = log_in(owner.email)
        admin = Client()
        admin.force_login(staff)

        def end(member):
            content = {"action": "end", "_selected_action": member.pk}
            confirm(admin, page_of(Member, "changelist"), content)

        end(Member.objects.get(agency=agency))
        assert is_logged_in(session)
        end(Member.objects.get(agency=other))
        answer = session.get(reverse("account_change_password"), follow=True)

        assert b"no access to any agency any more" in answer.content
        assert not is_logged_in(session)

    def test_ends_a_session_of_former_staff(self, staff):
        session, _ = log_in(staff.email)
        User.objects.update(is_staff=False)

        answer = session.get("/admin/")

        assert answer["Location"].startswith("/accounts/login/")
        assert not is_logged_in(session)

    def test_ends_a_session_of_a_disabled_user(self, owner):
        session, _ = log_in(owner.email)
        User.objects.update(is_active=False)

        assert not is_logged_in(session)

    def test_keeps_members_out_of_the_admin(self, owner):
        client, _ = log_in(owner.email)

        assert client.get("/admin/", follow=True).status_code == 403

    def test_costs_programs_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            answer = Client().get("/api/schema/")

        assert answer.status_code == 200
        assert "Cookie" not in answer.get("Vary", "")
