"""Processors that get a new URL or new keys."""

from datetime import timedelta
from uuid import uuid4

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.charges import charge_due
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import (
    NothingToChange,
    SecretsGeneratedHere,
    SecretsIssuedByProcessor,
    add_processor,
    change_processor,
    rotate_secrets,
)
from billing.processors.services.registry import secrets_of
from billing.webhooks.domain.signing import signed_headers
from billing.webhooks.models import OutboxEvent
from billing.webhooks.services.endpoints import BadUrl
from tests.billing.collection.answering import post
from tests.receivers import receiving

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def keys(clock):
    """A processor and its generated secrets."""
    return add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=clock()
    )


def rotate(processor, clock):
    return rotate_secrets(processor=processor, actor="staff", now=clock())


def change(processor, clock, **changes):
    return change_processor(processor=processor, actor="staff", now=clock(), **changes)


class TestRotateSecrets:
    def test_believes_the_old_secret_for_a_day_more(self, client, keys, clock):
        processor, _, old = keys
        _, _, new = rotate(processor, clock)

        def answer(secret, at):
            headers = signed_headers(
                message=str(uuid4()), body=b"{}", secrets=[secret], at=at
            )
            return post(client, processor, b"{}", headers).status_code

        assert [answer(secret, clock()) for secret in (old, new)] == [204, 204]
        assert answer("whsec_" + "A" * 43 + "=", clock()) == 400
        PaymentProcessor.objects.update(rotated_at=clock() - DAY)
        assert [answer(secret, clock()) for secret in (old, new)] == [400, 204]
        assert ProcessorEvent.objects.count() == 3

    @pytest.mark.parametrize(("later", "is_signed"), [(-1, True), (0, False)])
    def test_signs_with_both_until_a_day_is_over(
        self, charge, processor, clock, settings, later, is_signed
    ):
        settings.WEBHOOKS = {**settings.WEBHOOKS, "ALLOW_LOOPBACK": True}
        old = secrets_of(processor, "sending").current
        with receiving() as receiver:
            changed = change(processor, clock, url=receiver.url)
            _, new, _ = rotate(changed, clock)
            since = clock() - DAY - timedelta(minutes=later)
            PaymentProcessor.objects.update(rotated_at=since)
            charge()

            charge_due(clock=clock)

        (delivery,) = receiver.received
        Webhook(new).verify(delivery.body, delivery.headers)
        if is_signed:
            Webhook(old).verify(delivery.body, delivery.headers)
        else:
            with pytest.raises(WebhookVerificationError):
                Webhook(old).verify(delivery.body, delivery.headers)

    def test_ends_the_last_but_one_at_once(self, keys, clock):
        processor, old, _ = keys
        _, between, _ = rotate(processor, clock)

        changed, new, _ = rotate(processor, clock)

        assert secrets_of(changed, "sending").at(clock()) == [new, between]
        assert old not in {new, between}

    def test_is_for_secrets_of_our_making(self, keys, clock):
        keys[0].kind = "stripe"

        with pytest.raises(SecretsIssuedByProcessor):
            rotate(keys[0], clock)

    def test_tells_the_platform_what_changed_and_no_secret(self, keys, clock):
        _, *new = rotate(keys[0], clock)

        event = OutboxEvent.objects.get(type="processor.changed")
        assert event.stream.agency_id is None
        assert event.payload["changed"] == ["sending", "receiving"]
        assert not any(secret in str(event.payload) for secret in new)


class TestChangeProcessor:
    def test_moves_to_another_address(self, keys, clock):
        changed = change(keys[0], clock, url="https://pay.example.org")

        assert changed.url == "https://pay.example.org"
        assert changed.rotated_at is None
        event = OutboxEvent.objects.get(type="processor.changed")
        assert event.payload["changed"] == ["url"]

    @pytest.mark.parametrize(
        ("changes", "refusal"),
        [({}, NothingToChange), ({"url": "https://10.0.0.1"}, BadUrl),
         ({"sending": "key"}, SecretsGeneratedHere)],
    )  # fmt: skip
    def test_refuses_what_cannot_be(self, keys, clock, changes, refusal):
        with pytest.raises(refusal):
            change(keys[0], clock, **changes)

        assert not OutboxEvent.objects.filter(type="processor.changed").exists()

    def test_takes_the_keys_that_a_processor_gives(self, keys, clock):
        processor, sending, receiving = keys
        processor.kind = "stripe"

        changed = change(processor, clock, receiving="whsec_new")

        assert secrets_of(changed, "sending").at(clock()) == [sending]
        believed = secrets_of(changed, "receiving").at(clock())
        assert believed == ["whsec_new", receiving]

    def test_revives_no_secret_by_another_key(self, at_stripe, clock):
        change(at_stripe, clock, receiving="whsec_new")
        clock.forward(hours=25)

        changed = change(at_stripe, clock, sending="sk_test_new")

        assert secrets_of(changed, "sending").current == "sk_test_new"
        assert secrets_of(changed, "receiving").at(clock()) == ["whsec_new"]
