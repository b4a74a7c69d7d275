"""Members pay: by the saved method, on a page of the processor, and what can go wrong."""

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.checkout import CheckoutPage
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.inbound_events import process_events
from billing.collection.services.methods import save_method
from billing.dunning.services.sweep import step_due
from billing.processors.services.processors import add_processor
from billing.receivables.models import Payment
from seats.agencies.services import set_upline
from seats.models import Member, User
from tests.billing.collection.answering import charge_event_body, post, signed
from tests.billing.collection.paging import at
from tests.billing.conftest import (
    at_once,
    at_stripe,
    clock,
    invoice,
    loopback,
    payer,
    stripe,
    tell,
)
from tests.build import MARCH, MARCH_1, make_agency
from tests.members import member, messages_of, panels_of, text_of
from tests.staff import log_in

__all__ = [
    "at_once", "at_stripe", "clock", "invoice", "loopback", "payer", "stripe", "tell",
]  # fmt: skip
pytestmark = pytest.mark.django_db
METHOD = "/agency/payment-method/"


@pytest.fixture(autouse=True)
def now(clock):
    """The clock of the processors' tests is that of the pages, too."""
    with time_machine.travel(clock(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def owner(payer):
    return member(payer, "owner")


@pytest.fixture
def acme(clock):
    return add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=clock()
    )[0]


@pytest.fixture
def saved(payer, acme, clock):
    return save_method(
        payer=payer, processor=acme, actor="test", now=clock(), label="visa 4242"
    )


def pay_url(document):
    return f"/agency/billing/document/{document.pk}/pay/"


def choices(answer):
    return [
        button.fields[0][1]
        for panel in answer.context["panels"]
        for button in panel.buttons
    ]


class TestChargingTheSavedMethod:
    def test_charges_all_that_is_left_once_and_ends_paid(
        self, client, owner, invoice, saved, acme, clock, now
    ):
        page = owner.get(pay_url(invoice))
        assert "Charge 100.00 USD to visa 4242" in text_of(page)

        first = owner.post(pay_url(invoice), {"action": "charge"}, follow=True)
        second = owner.post(pay_url(invoice), {"action": "charge"}, follow=True)

        attempt = PaymentAttempt.objects.get()
        assert attempt.amount == 100
        assert attempt.actor == "owner@sunrise.example.com"
        assert "100.00 USD is being charged" in messages_of(first)[0]
        assert "A charge of SUNRISE-00001 is in progress" in messages_of(second)[0]
        assert "about to be charged to visa 4242" in text_of(second)
        assert choices(second) == []

        claim_calls(CHARGES, now=clock(), limit=8)
        assert "is being charged to visa 4242" in text_of(owner.get(pay_url(invoice)))
        body = charge_event_body(attempt, "succeeded", reference="ch_1")
        post(client, acme, body, signed(acme, body, clock()))
        process_events(now=clock())

        answer = owner.get(f"/agency/billing/document/{invoice.pk}/change/")
        assert panels_of(answer)["due"].figure.amount == 0
        assert "100.00 USD was charged to visa 4242" in text_of(answer)
        assert "Pay 100.00" not in text_of(answer)
        assert Payment.objects.get().amount == 100

    @pytest.mark.parametrize(
        ("state", "words", "can_pay"),
        [
            ("pending", "is working on the charge", False),
            ("unknown", "Do not pay again", False),
            ("declined_soft", "for now. Check the balance", True),
            ("declined_hard", "Save another payment method", True),
            ("failed", "charged nothing", True),
        ],
    )
    def test_says_what_to_do_next(
        self, owner, invoice, saved, clock, state, words, can_pay
    ):
        owner.post(pay_url(invoice), {"action": "charge"})
        claim_calls(CHARGES, now=clock(), limit=8)
        PaymentAttempt.objects.update(state=state, leased_until=None)

        answer = owner.get(pay_url(invoice))

        assert words in text_of(answer)
        assert bool(choices(answer)) is can_pay

    def test_refuses_what_is_paid_on_hold_or_nonsense(self, owner, invoice, saved):
        assert owner.post(pay_url(invoice), {"action": "steal"}).status_code == 404
        assert owner.post(pay_url(invoice)).status_code == 404
        assert owner.get(f"{pay_url(invoice)}?csv=pay").status_code == 404
        assert (
            owner.get("/agency/billing/document/99999999999999999999/pay/").status_code
            == 404
        )
        assert PaymentAttempt.objects.count() == 0

    def test_needs_a_token_against_forgery(self, owner, invoice, saved):
        owner.handler.enforce_csrf_checks = True

        assert owner.post(pay_url(invoice), {"action": "charge"}).status_code == 403
        assert PaymentAttempt.objects.count() == 0


class TestPayingOnAPage:
    def test_opens_one_page_pays_on_it_and_saves_the_card(
        self, owner, invoice, at_stripe, stripe, tell, settings
    ):
        settings.CHARGES = {**settings.CHARGES, "RETURN_URL": "https://x.example.com/"}
        assert choices(owner.get(pay_url(invoice))) == ["checkout"]

        for _ in range(2):
            answer = owner.post(pay_url(invoice), {"action": "checkout"}, follow=True)

        page = CheckoutPage.objects.get()
        assert page.url in answer.content.decode()
        assert page.owner == invoice.payer
        assert choices(answer) == ["close"]
        stripe.account.use_page(page.reference, "pm_visa")
        tell()
        answer = owner.get(pay_url(invoice))
        assert "Nothing is left to pay of SUNRISE-00001" in text_of(answer)
        assert Payment.objects.get().amount == 100
        assert "visa" in text_of(owner.get(METHOD)).lower()

    def test_can_be_closed_and_paid_another_way(
        self, owner, invoice, at_stripe, stripe, settings
    ):
        settings.CHARGES = {**settings.CHARGES, "RETURN_URL": "https://x.example.com/"}
        owner.post(pay_url(invoice), {"action": "checkout"})

        answer = owner.post(pay_url(invoice), {"action": "close"}, follow=True)
        again = owner.post(pay_url(invoice), {"action": "close"})

        assert "was closed" in messages_of(answer)[-1]
        assert choices(answer) == ["checkout"]
        assert again.status_code == 404

    @pytest.mark.parametrize("fault", ["reset", "error", "garbage", "busy"])
    def test_says_so_when_the_processor_fails_and_works_again(
        self, owner, invoice, at_stripe, stripe, settings, fault
    ):
        settings.CHARGES = {**settings.CHARGES, "RETURN_URL": "https://x.example.com/"}
        stripe.faults = at(fault, "checkout/sessions")

        answer = owner.post(pay_url(invoice), {"action": "checkout"}, follow=True)

        assert answer.status_code == 200
        assert "Processor stripe" in messages_of(answer)[0]
        owner.post(pay_url(invoice), {"action": "checkout"})
        assert PaymentAttempt.objects.filter(state__in=PaymentAttempt.OPEN).count() <= 1

    def test_without_processor_says_how_to_pay(self, owner, invoice):
        answer = owner.get(pay_url(invoice))

        assert choices(answer) == []
        assert "Pay by bank transfer" in text_of(answer)
        refused = owner.post(pay_url(invoice), {"action": "checkout"}, follow=True)
        assert refused.status_code == 200
        assert PaymentAttempt.objects.count() == 0


class TestWho:
    def test_pays_is_the_owner_and_the_admin(self, payer, invoice, saved):
        for role in Member.Role.values:
            agent = payer.agents.first() if role == "agent" else None
            user = User.objects.create_user(f"{role}@x.example.com", "a b c")
            Member.objects.create(
                user=user, agency=payer, role=role, agent=agent, created_at=MARCH_1
            )
            client = log_in(user)
            may = role in {"owner", "admin"}

            assert client.get(pay_url(invoice)).status_code == (200 if may else 404), (
                role
            )
            posted = client.post(pay_url(invoice), {"action": "charge"})
            assert posted.status_code == (303 if may else 404), role
            method = client.get(METHOD).status_code
            assert method == (200 if role == "owner" else 404), role

    def test_an_upline_pays_on_a_page_but_never_with_the_saved_card(
        self, payer, invoice, saved, at_stripe, settings
    ):
        settings.CHARGES = {**settings.CHARGES, "RETURN_URL": "https://x.example.com/"}
        top = make_agency("TOP")
        set_upline(
            agency=payer, upline=top, on=MARCH + timedelta(days=1), actor="test",
            now=MARCH_1,
        )  # fmt: skip
        boss = member(top, "owner")

        page = boss.get(pay_url(invoice))
        charged = boss.post(pay_url(invoice), {"action": "charge"})
        boss.post(pay_url(invoice), {"action": "checkout"})

        assert "visa 4242" not in page.content.decode()
        assert charged.status_code == 404
        assert CheckoutPage.objects.get().owner == top
        assert "SUNRISE" not in text_of(boss.get(METHOD))


class TestPaymentMethod:
    def test_is_removed_after_a_confirmation(self, owner, payer, saved):
        page = owner.get(f"{METHOD}?remove=SUNRISE")
        assert "have to be paid one by one" in text_of(page)
        assert PaymentMethod.objects.get().removed_at is None

        answer = owner.post(METHOD, {"action": "remove SUNRISE"}, follow=True)
        owner.post(METHOD, {"action": "remove SUNRISE"})

        assert messages_of(answer) == [
            "visa 4242 was removed. Nothing is charged to it any more."
        ]
        assert PaymentMethod.objects.get().removed_at is not None

    def test_is_saved_on_a_page_of_the_processor(
        self, owner, payer, at_stripe, stripe, settings
    ):
        settings.CHARGES = {**settings.CHARGES, "RETURN_URL": "https://x.example.com/"}

        answer = owner.post(METHOD, {"action": "save SUNRISE"}, follow=True)

        assert CheckoutPage.objects.get().url in answer.content.decode()

    def test_of_others_is_not_there(self, owner, saved):
        make_agency("OTHER")
        for action in ("remove OTHER", "remove", "steal SUNRISE", "", "remove \0"):
            assert owner.post(METHOD, {"action": action}).status_code == 404


class TestDunning:
    def test_is_in_words_with_what_to_do(self, owner, invoice, clock, now):
        at_due = invoice.due_at + timedelta(hours=1)
        now.move_to(at_due)
        step_due(now=at_due)

        for path in (
            "/agency/account/",
            f"/agency/billing/document/{invoice.pk}/change/",
        ):
            text = text_of(owner.get(path))
            assert "Overdue 100.00 USD is owed. Unless it is paid, calls are" in text
            assert "What to do: pay now." in text

    def test_costs_no_queries_without_a_case_for_each_line(self, owner, invoice):
        with CaptureQueriesContext(connection) as queries:
            owner.get("/agency/account/")
        assert len(queries) < 29  # four of them choose the role that reads
