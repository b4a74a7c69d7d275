"""Staff and webhooks: what they see, and what their buttons do."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from billing.webhooks.models import Delivery, WebhookEndpoint
from billing.webhooks.services.deliveries import deliver_due
from billing.webhooks.services.endpoints import add_endpoint
from billing.webhooks.services.fanout import fan_out_due
from seats.models import User
from tests.build import make_agency
from tests.receivers import receiving
from tests.staff import confirm

pytestmark = pytest.mark.django_db
LIST = "admin:billing_webhookendpoint_changelist"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{40,}")


@pytest.fixture
def staff(client):
    client.force_login(User.objects.create_superuser("staff@example.com", "a b c"))
    return client


@pytest.fixture
def receiver(settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
    with receiving() as server:
        yield server


@pytest.fixture
def endpoint(receiver):
    now = timezone.now()
    row, _ = add_endpoint(agency=make_agency(), url=receiver.url, actor="test", now=now)
    return row


def act(staff, action, row, **content):
    kind = type(row)._meta.model_name
    content = {"action": action, "_selected_action": [row.pk], **content}
    url = reverse(f"admin:billing_{kind}_changelist")
    answer = confirm(staff, url, content)
    assert answer.status_code == 200
    row.refresh_from_db()
    return answer.content.decode()


def sweep():
    fan_out_due(now=timezone.now())
    return deliver_due(clock=timezone.now)


class TestAdding:
    def test_shows_a_secret_once_that_signs(self, staff, receiver):
        agency = make_agency()
        content = {"agency": agency.pk, "url": receiver.url, "description": "books"}

        page = staff.post(
            reverse("admin:billing_webhookendpoint_add"), content, follow=True
        )
        sweep()

        (secret,) = set(SECRET.findall(page.content.decode()))
        endpoint = WebhookEndpoint.objects.get()
        assert (endpoint.agency, endpoint.created_by) == (agency, "staff@example.com")
        (request,) = receiver.received
        assert Webhook(secret).verify(request.body, request.headers)
        again = staff.get(
            reverse("admin:billing_webhookendpoint_change", args=[endpoint.pk])
        )
        assert again.status_code == 200
        assert not SECRET.search(again.content.decode())
        assert endpoint.sealed_secret not in again.content.decode()

    def test_says_what_is_wrong_with_an_address(self, staff):
        content = {"agency": "", "url": "http://10.0.0.1/", "description": ""}

        page = staff.post(reverse("admin:billing_webhookendpoint_add"), content)

        message = "Scheme &#x27;http&#x27; is not allowed. Use https."
        assert message in page.content.decode()
        assert not WebhookEndpoint.objects.exists()


class TestActions:
    def test_pause_resume_test_and_delete(self, staff, endpoint, receiver):
        act(staff, "pause", endpoint)
        assert endpoint.state == "paused"
        assert endpoint.reason == "Paused by staff@example.com."
        refusal = f"Webhook endpoint {endpoint.public_id} is paused. Resume it, then"
        assert refusal in act(staff, "send_test", endpoint)
        act(staff, "resume", endpoint)
        sent = "1 will be sent a test event within seconds."
        assert sent in act(staff, "send_test", endpoint)
        sweep()
        kinds = {request.payload["type"] for request in receiver.received}
        assert kinds == {"agency.added", "webhook_endpoint.test"}

        act(staff, "delete_for_ever", endpoint)

        assert endpoint.deleted_at
        assert "is deleted. Add a new endpoint" in act(staff, "resume", endpoint)

    def test_rotate_shows_another_secret(self, staff, endpoint):
        before = endpoint.sealed_secret

        page = act(staff, "rotate", endpoint)

        assert SECRET.search(page)
        assert before not in {endpoint.sealed_secret, ""}
        assert endpoint.sealed_previous == before

    def test_replay_a_range_or_a_delivery(self, staff, endpoint, receiver):
        sweep()

        page = act(staff, "replay", endpoint, apply="1", since="1", until="5")
        sweep()
        delivery = Delivery.objects.get()
        act(staff, "replay", delivery)
        sweep()

        assert "1 event sent again." in page
        assert len({request.id for request in receiver.received}) == 1
        assert len(receiver.received) == 3
        change = reverse("admin:billing_delivery_change", args=[delivery.pk])
        assert staff.get(change).content.decode().count("Attempt ") == 3


def test_lists_take_as_many_queries_for_many_rows_as_for_few(
    staff, endpoint, django_assert_max_num_queries
):
    for n in range(8):
        agency = make_agency(f"A{n}")
        add_endpoint(agency=agency, url=endpoint.url, actor="test", now=timezone.now())
    sweep()

    for model in ("webhookendpoint", "delivery"):
        with django_assert_max_num_queries(14):
            url = reverse(f"admin:billing_{model}_changelist")
            assert staff.get(url).status_code == 200
