"""Staff add processors, change them, and look at what did not fit."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.services.attempts import request_charge
from billing.collection.services.inbound_events import process_events
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.processors.services.registry import connect_stripe
from seats.models import User
from tests.billing.collection.answering import charge_event_body, post, signed
from tests.build import APRIL_2
from tests.staff import confirm

pytestmark = pytest.mark.django_db
PROCESSORS = reverse("admin:billing_paymentprocessor_changelist")
ADD_PROCESSOR = reverse("admin:billing_paymentprocessor_add")
ADD_ATTEMPT = reverse("admin:billing_paymentattempt_add")
ATTEMPTS = reverse("admin:billing_paymentattempt_changelist")
EVENTS = reverse("admin:billing_processorevent_changelist")


class TestProcessors:
    def test_are_added_and_tell_their_secrets_this_once(self, staff, db):
        content = {"code": "acme", "kind": "webhook", "url": "https://pay.example.com"}

        page = staff.post(ADD_PROCESSOR, content, follow=True)

        processor = PaymentProcessor.objects.get()
        assert processor.added_by == "staff@example.com"
        assert page.content.decode().count("whsec_") == 2
        url = reverse("admin:billing_paymentprocessor_change", args=[processor.pk])
        again = staff.get(url).content.decode()
        assert "https://pay.example.com" in again
        assert "whsec_" not in again
        assert processor.sealed_sending not in again

    @pytest.mark.parametrize(
        "changes",
        [{"url": "https://10.0.0.1"}, {"code": "manual"}, {"code": "a b"},
         {"kind": ""}],
    )  # fmt: skip
    def test_are_refused_with_what_is_wrong(self, staff, changes):
        content = {
            "code": "acme", "kind": "webhook", "url": "https://pay.example.com",
            **changes,
        }  # fmt: skip

        page = staff.post(ADD_PROCESSOR, content)

        assert page.context["adminform"].form.errors.keys() == changes.keys()
        assert not PaymentProcessor.objects.exists()

    def test_get_another_address(self, staff, acme):
        content = {"action": "change_address_or_keys", "_selected_action": [acme.pk]}
        assert (
            "api key at the processor"
            in staff.post(PROCESSORS, content).content.decode().lower()
        )

        confirm(staff, PROCESSORS, {**content, "url": "https://b.example.com"})

        acme.refresh_from_db()
        assert acme.url == "https://b.example.com"

    def test_get_other_secrets_that_are_shown_this_once(self, staff, acme):
        content = {"action": "rotate_both_secrets", "_selected_action": [acme.pk]}
        assert "whsec_" not in staff.post(PROCESSORS, content).content.decode()

        page = confirm(staff, PROCESSORS, content)

        assert page.content.decode().count("whsec_") == 2
        assert "whsec_" not in staff.get(PROCESSORS).content.decode()

    def test_change_one_at_a_time(self, staff, acme):
        other = add_processor(
            code="other", url="https://pay.example.com", actor="test", now=APRIL_2
        )[0]
        for action in ("change_address_or_keys", "rotate_both_secrets"):
            content = {"action": action, "_selected_action": [acme.pk, other.pk],
                    "apply": "1", "url": "https://b.example.com"}  # fmt: skip

            page = confirm(staff, PROCESSORS, content)

            assert "Change one processor at a time" in page.content.decode()

    def test_are_left_alone_by_who_may_only_look(self, client, acme):
        user = User.objects.create_user("new@example.com", "x" * 12, is_staff=True)
        user.user_permissions.add(
            Permission.objects.get(codename="view_paymentprocessor")
        )
        client.force_login(user)

        page = client.get(PROCESSORS).content.decode()

        assert "acme" in page
        assert "rotate_both_secrets" not in page


class TestStripe:
    CONTENT = {
        "code": "stripe", "kind": "stripe", "url": "https://api.stripe.com",
        "key": "rk_test_abc", "endpoint_secret": "whsec_abc",
    }  # fmt: skip

    def test_is_added_with_its_own_secrets_which_nobody_sees_again(self, staff, db):
        page = staff.post(ADD_PROCESSOR, self.CONTENT, follow=True)

        processor = PaymentProcessor.objects.get()
        url = reverse("admin:billing_paymentprocessor_change", args=[processor.pk])
        for shown in (page, staff.get(url), staff.get(ADD_PROCESSOR)):
            text = shown.content.decode()
            assert "rk_test_abc" not in text
            assert "whsec_abc" not in text
        assert processor.kind == "stripe"
        assert connect_stripe(processor).signing_secrets.current == "whsec_abc"

    def test_may_have_several_signing_secrets(self, staff, db):
        content = self.CONTENT | {"endpoint_secret": "whsec_new  whsec_abc"}

        staff.post(ADD_PROCESSOR, content)

        account = connect_stripe(PaymentProcessor.objects.get())
        assert account.signing_secrets.current == "whsec_new whsec_abc"

    @pytest.mark.parametrize(
        "changes",
        [{"key": ""}, {"key": "pk_test_abc"}, {"key": "sk_\u00e9"}, {"key": "sk_a b"},
         {"endpoint_secret": ""}, {"endpoint_secret": "abc"},
         {"endpoint_secret": "whsec_"}, {"url": "https://api.stripe.com/v1"}],
    )  # fmt: skip
    def test_is_refused_with_what_is_wrong_and_without_what_was_typed(
        self, staff, db, changes
    ):
        page = staff.post(ADD_PROCESSOR, self.CONTENT | changes)

        assert page.context["adminform"].form.errors.keys() == changes.keys()
        assert "rk_test_abc" not in page.content.decode()
        assert not PaymentProcessor.objects.exists()


class TestProcessorEvents:
    def test_that_do_not_fit_are_shown_and_worked_off_again(
        self, staff, acme, invoices
    ):
        attempt = request_charge(
            invoice=invoices[0], processor=acme, actor="test", now=APRIL_2
        )
        body = charge_event_body(attempt, "succeeded", amount="1.00", reference="ch_1")
        post(staff, acme, body, signed(acme, body, timezone.now()))
        process_events(now=timezone.now())
        event = ProcessorEvent.objects.get()

        assert (
            "is over 50.00 USD, but the event reports 1 USD"
            in staff.get(EVENTS).content.decode()
        )
        url = reverse("admin:billing_processorevent_change", args=[event.pk])
        assert "ch_1" in staff.get(url).content.decode()
        action = {"action": "process_again", "_selected_action": [event.pk]}
        assert "1 will be" in confirm(staff, EVENTS, action).content.decode()
        event.refresh_from_db()
        assert event.state == "received"
        assert (
            "None of the selected events is quarantined or waiting"
            in confirm(staff, EVENTS, action).content.decode()
        )

    def test_about_which_nothing_is_to_be_done_are_set_aside(
        self, staff, acme, invoices
    ):
        body = b'{"type": "moon.risen"}'
        post(staff, acme, body, signed(acme, body, timezone.now()))
        process_events(now=timezone.now())
        event = ProcessorEvent.objects.get()
        action = {"action": "set_aside", "_selected_action": [event.pk]}

        assert staff.post(EVENTS, action).status_code == 200  # it asks why
        for reason, state in (("", "quarantined"), ("not ours", "set_aside")):
            content = {**action, "apply": "1", "reason": reason}
            confirm(staff, EVENTS, content)
            event.refresh_from_db()
            assert event.state == state

        assert event.reason.endswith(": not ours")
        process_events(now=timezone.now() + timedelta(hours=1))
        event.refresh_from_db()
        assert event.state == "set_aside"
