"""Owners make keys and endpoints, test and replay; nobody else does."""

import re

import pytest

from billing.webhooks.models import Delivery, OutboxEvent, WebhookEndpoint
from billing.webhooks.services.fanout import fan_out_due
from seats.api_keys.services import use_key
from seats.models import ApiKey
from tests.build import APRIL_2, make_agency
from tests.members import choice, member, messages_of

pytestmark = pytest.mark.django_db
KEYS, HOOKS = "/agency/seats/apikey/", "/agency/billing/webhookendpoint/"
DELIVERIES = "/agency/billing/delivery/"
URL = "https://crm.example.com/hooks"


@pytest.fixture
def sunrise(db):
    return make_agency()


@pytest.fixture
def owner(sunrise):
    return member(sunrise, "owner")


@pytest.fixture
def endpoint(owner, sunrise):
    owner.post(f"{HOOKS}add/", {"agency": sunrise.pk, "url": URL})
    return WebhookEndpoint.objects.get()


def confirm(client, path, action, row, **content):
    """The page of an action, then what it confirms."""
    page = client.post(path, choice(action, row, **content))
    seen = page.context["seen"]
    body = {**choice(action, row, **content), "apply": "Confirm", "seen": seen}
    answer = client.post(path, body)
    if answer.status_code == 200:  # what was filled in changed what will happen
        body["seen"] = answer.context["seen"]
        answer = client.post(path, body)
    return client.get(answer.headers["location"])


class TestKeys:
    def add(self, client, sunrise, **changes):
        body = {
            "agency": sunrise.pk, "label": "crm", "scopes": ["usage:write"], **changes,
        }  # fmt: skip
        return client.post(f"{KEYS}add/", body, follow=True)

    def test_are_made_shown_once_and_work(self, owner, sunrise):
        answer = self.add(owner, sunrise, last_day="2027-01-31")
        (secret,) = re.findall(r"dk_\S{40,}", " ".join(messages_of(answer)))
        key = use_key(token=secret, now=APRIL_2)

        assert key
        assert key.expires_at
        assert (key.agency, key.scopes, key.label) == (sunrise, ["usage:write"], "crm")
        assert f"{key.expires_at:%Y-%m-%d %H:%M}" == "2027-02-01 00:00"
        assert key.created_by == "owner@sunrise.example.com"
        for path in (KEYS, f"{KEYS}{key.pk}/change/"):
            assert secret not in owner.get(path).content.decode()

    def test_are_revoked_after_a_confirmation(self, owner, sunrise):
        self.add(owner, sunrise)
        key = ApiKey.objects.get()

        answer = confirm(owner, KEYS, "revoke", key, reason="lost")

        key.refresh_from_db()
        assert key.revoked_at is not None
        assert messages_of(answer) == ["1 revoked."]

    @pytest.mark.parametrize(
        "changes",
        [
            {"scopes": []}, {"scopes": ["all:write"]}, {"last_day": "2020-01-01"},
            {"last_day": "x"}, {"label": "x" * 201}, {"agency": 999}, {"agency": "\0"},
        ],
    )  # fmt: skip
    def test_say_what_is_wrong(self, owner, sunrise, changes):
        answer = self.add(owner, sunrise, **changes)

        assert answer.status_code == 200
        assert answer.context["adminform"].form.errors
        assert ApiKey.objects.count() == 0

    def test_are_the_owners_alone(self, sunrise):
        other = make_agency("OTHER")
        for role in ("admin", "billing_viewer", "supervisor"):
            client = member(sunrise, role)
            assert self.add(client, sunrise).status_code == 404, role
        owner = member(sunrise, "owner")
        assert self.add(owner, other).context["adminform"].form.errors
        assert ApiKey.objects.count() == 0


class TestEndpoints:
    def test_are_added_with_a_secret_that_is_shown_once(self, owner, sunrise):
        body = {"agency": sunrise.pk, "url": URL, "event_types": ["invoice.issued"]}

        answer = owner.post(f"{HOOKS}add/", body, follow=True)

        endpoint = WebhookEndpoint.objects.get()
        (secret,) = re.findall(r"whsec_\S+", " ".join(messages_of(answer)))
        assert (endpoint.owner, endpoint.event_types) == (sunrise, ["invoice.issued"])
        assert secret not in owner.get(f"{HOOKS}{endpoint.pk}/change/").content.decode()

    def test_refuse_addresses_inside(self, owner, sunrise):
        for url in ("http://x.example.com/", "https://127.0.0.1/", "x", "https://x/\0"):
            body = {"agency": sunrise.pk, "url": url}
            answer = owner.post(f"{HOOKS}add/", body)
            assert answer.context["adminform"].form.errors, url
        assert WebhookEndpoint.objects.count() == 0

    def test_are_sent_a_test_event_which_can_be_sent_again(self, owner, endpoint):
        answer = confirm(owner, HOOKS, "send_test", endpoint)
        assert messages_of(answer) == ["1 will be sent a test event within seconds."]
        fan_out_due(now=APRIL_2)
        delivery = Delivery.objects.get(event__type="webhook_endpoint.test")
        page = owner.get(DELIVERIES).content.decode()
        assert "webhook_endpoint.test" in page

        Delivery.objects.update(state="given_up", settled_at=APRIL_2)
        confirm(owner, DELIVERIES, "replay", delivery)

        delivery.refresh_from_db()
        assert delivery.state == "pending"

    def test_hold_rotate_replay_and_end(self, owner, endpoint):
        confirm(owner, HOOKS, "send_test", endpoint)
        confirm(owner, HOOKS, "pause", endpoint)
        endpoint.refresh_from_db()
        assert endpoint.state == "paused"
        confirm(owner, HOOKS, "resume", endpoint)
        endpoint.refresh_from_db()
        assert endpoint.state == "enabled"
        before = endpoint.sealed_secret
        answer = confirm(owner, HOOKS, "rotate", endpoint)
        endpoint.refresh_from_db()
        assert endpoint.sealed_secret != before
        assert "whsec_" in messages_of(answer)[0]
        fan_out_due(now=APRIL_2)
        Delivery.objects.update(state="delivered", settled_at=APRIL_2)
        confirm(owner, HOOKS, "replay", endpoint, since=1, reason="test")
        assert Delivery.objects.filter(state="pending").exists()
        assert OutboxEvent.objects.filter(type="webhook_endpoint.test").count() == 1
        confirm(owner, HOOKS, "delete_for_ever", endpoint, reason="gone")
        endpoint.refresh_from_db()
        assert endpoint.deleted_at is not None

    def test_are_the_owners_alone(self, sunrise, endpoint):
        admin = member(sunrise, "admin")

        assert admin.get(HOOKS).status_code == 200
        assert admin.get(DELIVERIES).status_code == 200
        assert admin.get(f"{HOOKS}add/").status_code == 404
        admin.post(HOOKS, choice("pause", endpoint))
        endpoint.refresh_from_db()
        assert endpoint.state == "enabled"
        assert member(sunrise, "billing_viewer").get(HOOKS).status_code == 404
