"""Stripe's signatures: every one but a valid and recent one is refused."""

from datetime import UTC, datetime, timedelta

import pytest
import stripe as sdk

from billing.collection.models.inbound_events import ProcessorEvent
from billing.processors.domain.port import NotSigned
from core.secrets import Secrets
from tests.billing.collection.answering import post_signed as post
from tests.billing.processors.stripe_fake import SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture
def event(stripe, at_stripe):
    """An event about an object that is not ours."""
    return stripe.account.add_event(
        "product.created", {"id": "prod_1", "object": "product"}
    )


class TestVerified:
    def test_takes_what_the_reference_library_signed(self, client, stripe, event):
        body, header = stripe.signed(event)

        assert post(client, body, header).status_code == 204

        assert ProcessorEvent.objects.get().event_id == event["id"]
        assert sdk.Webhook.construct_event(body, header, SECRET).id == event["id"]

    @pytest.mark.parametrize("minutes", [-6, 6])
    def test_refuses_what_was_not_signed_now(
        self, client, stripe, event, clock, minutes
    ):
        body, header = stripe.signed(event, clock() + timedelta(minutes=minutes))

        answer = post(client, body, header)

        assert (answer.status_code, answer.json()["code"]) == (400, "not_signed")

    @pytest.mark.parametrize(
        "header",
        [
            None, "", "t=", "t=1", "v1=1", "nonsense", "t={t}", "t={t},v1=", "v1={v}",
            "t={t},v0={v}", "t={t},v1={v}0", "t={t},v1=\u00e9", "t=-{t},v1={v}",
            "t={t}.0,v1={v}", "t=\u0661,v1={v}", "t=1,t={t},v1={v}", ",,,=,=", "t",
            "t={t},v1", "t={t};v1={v}", "t=" + "9" * 5_000 + ",v1={v}", "\0", "t=0x1",
        ],
    )  # fmt: skip
    def test_refuses_every_other_header(self, client, stripe, event, header):
        body, good = stripe.signed(event)
        moment, signature = (part.split("=")[1] for part in good.split(","))
        if header is not None:
            header = header.replace("{t}", moment).replace("{v}", signature)

        assert post(client, body, header).status_code == 400
        assert not ProcessorEvent.objects.exists()

    @pytest.mark.parametrize(
        "change",
        [lambda body: body + b" ", lambda body: body.replace(b"product", b"produce"),
         lambda body: b"", lambda body: b"\xff\xfe", lambda body: b"{}"],
    )  # fmt: skip
    def test_refuses_another_body(self, client, stripe, event, change):
        body, header = stripe.signed(event)

        assert post(client, change(body), header).status_code == 400

    @pytest.mark.parametrize(
        "content",
        [[], {}, None, 1, {"id": ""}, {"id": "a\0"}, {"id": 7}, {"id": "x" * 201}],
    )
    def test_refuses_what_is_signed_and_no_event(self, client, stripe, event, content):
        assert post(client, *stripe.signed(content)).status_code == 400

    def test_refuses_what_is_too_deep(self, client, stripe, event, clock):
        body = "[" * 100_000
        header = sdk.WebhookSignature.generate_signature_header(
            body, SECRET, timestamp=int(clock().timestamp())
        )

        assert post(client, body.encode(), header).status_code == 400

    def test_takes_one_good_signature_among_several(self, client, stripe, event):
        body, header = stripe.signed(event)

        assert post(client, body, f"{header},v1=00,v0=11").status_code == 204

    @pytest.mark.parametrize(
        ("secrets", "taken"),
        [(Secrets(f"whsec_other {SECRET}"), True), (Secrets(SECRET), True),
         (Secrets("whsec_new", SECRET, datetime.max.replace(tzinfo=UTC)), True),
         (Secrets("whsec_new", SECRET, datetime.min.replace(tzinfo=UTC)), False),
         (Secrets("whsec_other"), False), (Secrets(""), False)],
    )  # fmt: skip
    def test_takes_each_of_several_secrets(
        self, stripe, account, event, clock, secrets, taken
    ):
        body, header = stripe.signed(event)
        processor = type(account)(account.api, account.live, secrets)
        headers = {"stripe-signature": header}

        if taken:
            assert processor.verify_event(headers, body, now=clock()) == event["id"]
        else:
            with pytest.raises(NotSigned):
                processor.verify_event(headers, body, now=clock())

    def test_refuses_what_another_secret_signed_with_nothing(
        self, client, stripe, event, clock
    ):
        body = stripe.signed(event)[0].decode()
        header = sdk.WebhookSignature.generate_signature_header(
            body, "", timestamp=int(clock().timestamp())
        )

        assert post(client, body.encode(), header).status_code == 400
