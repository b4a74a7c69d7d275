"""Authenticator apps, recovery codes and passkeys, in all the ways to log in."""

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from seats.models import User
from tests.accounts.people import (
    Passkey,
    add_app,
    code_of,
    confirm_password,
    is_logged_in,
    log_in,
)
from tests.staff import confirm, make_staff, page_of

SECOND = reverse("mfa_authenticate")
INDEX = reverse("mfa_index")
pytestmark = pytest.mark.django_db


@pytest.fixture
def here(owner):
    """The owner's browser, logged in and just confirmed."""
    client, _ = log_in(owner.email)
    confirm_password(client)
    return client


class TestApp:
    def test_is_needed_at_the_next_log_in(self, owner, here):
        secret, _ = add_app(here)

        client, answer = log_in(owner.email)
        assert answer["Location"] == SECOND
        assert not is_logged_in(client)
        assert client.post(SECOND, {"code": "000000"}).context["form"].errors
        assert not is_logged_in(client)
        done = client.post(SECOND, {"code": code_of(secret)})

        assert done["Location"] == "/"
        assert is_logged_in(client)

    def test_takes_a_code_once(self, owner, here):
        secret, _ = add_app(here)
        code = code_of(secret)
        first, _ = log_in(owner.email)
        first.post(SECOND, {"code": code})

        second, _ = log_in(owner.email)
        second.post(SECOND, {"code": code})

        assert is_logged_in(first)
        assert not is_logged_in(second)

    @pytest.mark.parametrize("counted", ["by the broker", "by this process"])
    def test_stops_guessing(self, owner, here, settings, request, counted):
        if counted == "by the broker":
            settings.REDIS_URL = request.getfixturevalue("broker")
        secret, _ = add_app(here)
        client, _ = log_in(owner.email)
        for n in range(10):
            client.post(SECOND, {"code": f"{n:06}"})

        answer = client.post(SECOND, {"code": code_of(secret)})

        assert "Too many wrong codes" in str(answer.context["form"].errors)
        assert not is_logged_in(client)

    def test_is_not_stored_in_the_clear(self, here):
        secret, codes = add_app(here)

        stored = str(list(Authenticator.objects.values_list("data", flat=True)))

        assert len(codes) == 10
        assert secret not in stored
        assert not any(code in stored for code in codes)

    def test_is_set_up_after_confirming_alone(self, owner):
        client, _ = log_in(owner.email)

        answer = client.get(reverse("mfa_activate_totp"))

        assert answer["Location"].startswith(reverse("account_reauthenticate"))

    def test_stays_needed_after_a_reset_by_mail(self, owner, here):
        add_app(here)
        owner.set_password("changed by mail")
        owner.save()

        client, answer = log_in(owner.email, "changed by mail")

        assert answer["Location"] == SECOND
        assert not is_logged_in(client)


class TestRecoveryCodes:
    def test_log_in_once_each(self, owner, here):
        _, codes = add_app(here)
        first, _ = log_in(owner.email)
        first.post(SECOND, {"code": codes[3]})
        again, _ = log_in(owner.email)
        again.post(SECOND, {"code": codes[3]})

        assert is_logged_in(first)
        assert not is_logged_in(again)
        assert b"9 of 10 codes are left" in first.get(INDEX).content

    def test_are_shown_once(self, here):
        _, codes = add_app(here)

        page = here.get(reverse("mfa_view_recovery_codes"))
        file = here.get(reverse("mfa_download_recovery_codes"))

        assert not any(code.encode() in page.content for code in codes)
        assert not any(code.encode() in file.content for code in codes)


class TestPasskey:
    def test_logs_in_alone(self, owner, here):
        passkey = Passkey()
        assert passkey.register(here).status_code == 302

        client = Client()
        answer = passkey.log_in(client)

        assert answer["Location"] == "/"
        assert is_logged_in(client)
        assert b"1 passkey." in client.get(INDEX).content

    def test_is_the_second_step_after_a_password(self, owner, here):
        passkey = Passkey()
        passkey.register(here)

        client, answer = log_in(owner.email)
        assert answer["Location"] == SECOND
        options = client.get(SECOND).context["js_data"]["request_options"]
        client.post(SECOND, {"credential": passkey.sign(options)})

        assert is_logged_in(client)

    def test_works_on_this_site_only(self, owner, here):
        passkey = Passkey()
        passkey.register(here)

        client = Client()
        passkey.log_in(client, origin="https://testserver.evil.example")

        assert not is_logged_in(client)

    def test_is_refused_with_a_signature_of_another(self, owner, here):
        passkey, other = Passkey(), Passkey()
        passkey.register(here)
        other.__dict__ |= {"_user": passkey.__dict__["_user"]}

        client = Client()
        answer = other.log_in(client)

        assert answer["Location"] == reverse("account_login")
        assert not is_logged_in(client)

    def test_answers_a_challenge_once(self, owner, here):
        passkey = Passkey()
        passkey.register(here)
        page = reverse("mfa_login_webauthn")
        client = Client()
        challenge = client.get(page, headers={"accept": "application/json"}).json()
        signed = passkey.sign(challenge["request_options"])
        client.post(page, {"credential": signed})
        client.post(reverse("account_logout"))

        client.post(page, {"credential": signed})

        assert not is_logged_in(client)

    @pytest.mark.parametrize(
        "credential",
        ["", "x", "1", "[]", "{}", "null", '"x"', '{"id": "x"}',
         '{"id": "x", "rawId": "x", "response": {}}',
         ('{"id": "eA", "rawId": "eA", "type": "public-key", "response":'
          ' {"clientDataJSON": "eA", "authenticatorData": "eA", "signature": "eA",'
          ' "userHandle": "eA"}}'),
         '{"id": "\\u0000", "rawId": "\\u0000"}', "[" * 100_000],
    )  # fmt: skip
    def test_refuses_what_is_none(self, owner, here, credential):
        client = Client()
        page = reverse("mfa_login_webauthn")
        client.get(page, headers={"accept": "application/json"})
        added = here.get(reverse("mfa_add_webauthn"))

        answer = client.post(page, {"credential": credential})
        adding = here.post(reverse("mfa_add_webauthn"), {"credential": credential})

        assert added.status_code == adding.status_code == 200
        assert answer["Location"] == reverse("account_login")
        assert not Authenticator.objects.exists()


class TestMandatory:
    @pytest.fixture(autouse=True)
    def mandatory(self, settings):
        settings.MFA_MANDATORY = True

    def test_staff_sets_it_up_first(self, staff):
        client, _ = log_in(staff.email)

        answer = client.get("/admin/", follow=True)
        assert answer.redirect_chain == [(INDEX, 302)]
        assert b"needs a second factor" in answer.content
        assert client.post("/admin/seats/seat/", {})["Location"] == INDEX
        confirm_password(client)
        add_app(client)

        assert client.get("/admin/").status_code == 200

    def test_an_owner_does_and_other_members_need_not(self, owner, agency):
        client, _ = log_in(owner.email)
        as_owner = client.get("/admin/")
        owner.memberships.update(role="billing_viewer")
        as_viewer = client.get("/admin/")

        assert as_owner["Location"] == INDEX
        assert as_viewer["Location"] != INDEX

    def test_a_passkey_will_do(self, staff):
        client, _ = log_in(staff.email)
        confirm_password(client)
        Passkey().register(client)

        assert client.get("/admin/").status_code == 200

    def test_check_warns_where_it_is_off(self, settings, capsys):
        settings.MFA_MANDATORY = False

        call_command("check", deploy=True)

        assert "config.W001" in capsys.readouterr().err


class TestLost:
    def test_staff_removes_it_with_a_reason(self, owner, here, staff):
        add_app(here)
        admin = Client()
        admin.force_login(staff)
        content = {"action": "remove_factor", "_selected_action": owner.pk}

        page = confirm(admin, page_of(User, "changelist"), content)
        client, answer = log_in(owner.email)

        assert b"1 without a second factor now" in page.content
        assert answer["Location"] == "/"
        assert is_logged_in(client)

    def test_support_cannot_for_staff(self, staff):
        client, _ = log_in(staff.email)
        confirm_password(client)
        add_app(client)
        support = Client()
        support.force_login(make_staff("support@example.com", job="support"))
        content = {"action": "remove_factor", "_selected_action": staff.pk}

        page = confirm(support, page_of(User, "changelist"), content)

        assert b"superuser only" in page.content
        assert Authenticator.objects.filter(user=staff).exists()
