"""Confirming who one is before what is sensitive."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from billing.processors.models import PaymentProcessor
from billing.webhooks.models import WebhookEndpoint
from core.admin.actions import StaffAction
from seats.api_keys.services import create_key
from seats.models import ApiKey, Member, User
from tests.accounts.conftest import PASSWORD
from tests.accounts.people import Passkey, add_app, code_of, confirm_password, log_in
from tests.build import MARCH_1
from tests.staff import SEEN, page_of

CONFIRM = reverse("account_reauthenticate")
SENSITIVE = {
    "seats.apikey": {"revoke"},
    "seats.invitation": {"revoke"},
    "seats.member": {"end"},
    "seats.user": {"remove_factor"},
    "billing.payment": {"refund"},
    "billing.paymentprocessor": {"change_address_or_keys", "rotate_both_secrets"},
    "billing.refundapproval": {"approve"},
    "billing.webhookendpoint": {"rotate"},
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def client(staff):
    return log_in(staff.email)[0]


@pytest.fixture
def key(agency):
    return create_key(agency=agency, scopes=["seats:read"], actor="test", now=MARCH_1)[
        0
    ]


def revoke(client, key, **more):
    content = {"action": "revoke", "_selected_action": key.pk, **more}
    return client.post(page_of(ApiKey, "changelist"), content)


def seen_on(page):
    (seen,) = SEEN.findall(page.content.decode())
    return seen


class TestActions:
    def test_show_their_page_once_it_is_confirmed_and_keep_the_choice(
        self, client, key
    ):
        sent = revoke(client, key)
        assert sent["Location"] == f"{CONFIRM}?next=%2Fadmin%2Fseats%2Fapikey%2F"
        wrong = client.post(sent["Location"], {"password": "wrong"})
        page = client.post(sent["Location"], {"password": PASSWORD})

        assert wrong.context["form"].errors["password"]
        assert b"every request with it is refused" in page.content
        seen = seen_on(page)
        revoke(client, key, apply="1", reason="Leaked", seen=seen)
        key.refresh_from_db()
        assert key.revoked_at

    def test_continue_where_they_were_in_a_browser(self, client, key):
        """The page comes in answer to the password; its form leads back to the list."""
        page = f"{page_of(ApiKey, 'changelist')}?q=&revoked_at__isempty=1"
        sent = client.post(page, {"action": "revoke", "_selected_action": key.pk})

        shown = client.post(sent["Location"], {"password": PASSWORD})

        assert f'action="{escape(page)}"' in shown.content.decode()
        content = {"action": "revoke", "_selected_action": key.pk, "apply": "1"}
        client.post(page, {**content, "reason": "Leaked", "seen": seen_on(shown)})
        key.refresh_from_db()
        assert key.revoked_at

    def test_do_nothing_without_it(self, client, key):
        confirm_password(client)
        seen = seen_on(revoke(client, key))

        with time_machine.travel(timezone.now() + timedelta(minutes=16)):
            late = revoke(client, key, apply="1", reason="Leaked", seen=seen)

        assert late["Location"].startswith(CONFIRM)
        key.refresh_from_db()
        assert not key.revoked_at

    def test_are_those_of_keys_secrets_refunds_and_members(self):
        marked = {}
        for model, page in admin.site._registry.items():
            actions = [getattr(page, str(name), None) for name in page.actions or []]
            names = {
                action.name
                for action in actions
                if isinstance(action, StaffAction) and action.sensitive
            }
            if names:
                marked[model._meta.label_lower] = names

        assert marked == SENSITIVE


class TestForms:
    def test_of_members_are_saved_once_it_is_confirmed(self, client, agency, owner):
        nia = User.objects.create_user("nia@sunrise.example", PASSWORD)
        fields = {"user": nia.pk, "agency": agency.pk, "role": "admin"}

        sent = client.post(page_of(Member, "add"), fields)
        assert not nia.memberships.exists()
        client.post(sent["Location"], {"password": PASSWORD})

        assert nia.memberships.get().role == "admin"

    def test_of_endpoints_show_a_secret_only_then(self, client, agency):
        fields = {"agency": agency.pk, "url": "https://hooks.example.com/"}

        sent = client.post(page_of(WebhookEndpoint, "add"), fields)

        assert sent["Location"].startswith(CONFIRM)
        assert not WebhookEndpoint.objects.exists()

    def test_with_secrets_are_not_kept_anywhere(self, client, staff):
        nia = User.objects.create_user("nia@sunrise.example", PASSWORD)
        pages = {
            page_of(PaymentProcessor, "add"): {"key": "sk_live_secret"},
            reverse("admin:auth_user_password_change", args=[nia.pk]): {
                "password1": "sk_live_secret"
            },
        }
        for page, fields in pages.items():
            assert client.get(page)["Location"].startswith(CONFIRM)
            assert client.post(page, fields)["Location"].startswith(CONFIRM)

        assert "sk_live_secret" not in str(dict(client.session))

    def test_of_others_ask_for_nothing(self, client, agency):
        fields = {"agency": agency.pk, "external_id": "zoe", "name": "Zoe"}

        answer = client.post(page_of(agency.agents.model, "add"), fields)

        assert not answer.get("Location", "").startswith(CONFIRM)


class TestWays:
    def test_a_code_of_the_app_will_do(self, client, key):
        confirm_password(client)
        secret, _ = add_app(client)
        with time_machine.travel(timezone.now() + timedelta(minutes=16)):
            page = client.get(revoke(client, key)["Location"])
            alternatives = [
                way["url"] for way in page.context["reauthentication_alternatives"]
            ]
            (way,) = [url for url in alternatives if "2fa/reauthenticate" in url]
            answer = client.post(way, {"code": code_of(secret)})

        assert b"every request with it is refused" in answer.content

    def test_a_passkey_will_do(self, client, key):
        confirm_password(client)
        passkey = Passkey()
        passkey.register(client)
        with time_machine.travel(timezone.now() + timedelta(minutes=16)):
            revoke(client, key)
            way = f"{reverse('mfa_reauthenticate_webauthn')}?next=/admin/seats/apikey/"
            options = client.get(way).context["js_data"]["request_options"]
            answer = client.post(way, {"credential": passkey.sign(options)})

        assert b"every request with it is refused" in answer.content

    def test_counts_wrong_passwords_like_the_log_in(self, client, key, settings):
        settings.LOGIN = {"ACCOUNT_AT_ADDRESS": 3, "ACCOUNT": 9, "ADDRESS": 9}

        answers = [confirm_password(client, "wrong").status_code for _ in range(4)]

        assert answers == [200, 200, 200, 429]

    def test_needs_a_way(self, key):
        """Who has neither password nor second factor cannot confirm anything."""
        user = User.objects.create_superuser("bare@example.com", None)
        client = Client()
        client.force_login(user)

        assert revoke(client, key).status_code == 403
