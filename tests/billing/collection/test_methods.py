"""Payment methods: one at a time, and issued invoices are charged by it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES, charge_due
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.methods import (
    MethodNeedsReference,
    MethodTaken,
    NoMethod,
    remove_method,
    save_method,
)
from billing.receivables.services.payments import receive_payment
from billing.webhooks.models import OutboxEvent
from tests.billing.collection.processors import FakeProcessor
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    bill,
    documents_of,
    make_agency,
    make_seats,
)

pytestmark = pytest.mark.django_db
BY_TEST: dict[str, Any] = {"actor": "test", "now": APRIL_2}


def current(payer):
    return PaymentMethod.objects.get(payer=payer, removed_at=None)


def event_types():
    kinds = OutboxEvent.objects.filter(type__startswith="payment_method")
    return list(kinds.order_by("pk").values_list("type", flat=True))


class TestSaveMethod:
    def test_takes_the_place_of_the_one_before(self, payer, processor, other):
        first = save_method(payer=payer, processor=processor, **BY_TEST)
        second = save_method(payer=payer, processor=other, **BY_TEST)

        first.refresh_from_db()
        assert first.removed_at == APRIL_2
        assert current(payer) == second
        assert event_types() == [
            "payment_method.saved", "payment_method.removed", "payment_method.saved",
        ]  # fmt: skip

    def test_gives_the_current_one_back(self, payer, processor):
        method = save_method(payer=payer, processor=processor, **BY_TEST)

        assert save_method(payer=payer, processor=processor, **BY_TEST) == method
        assert event_types() == ["payment_method.saved"]

    def test_refuses_what_another_payer_has(self, payer, processor):
        card = {"processor": processor, "customer": "cus_1", "reference": "pm_1"}
        save_method(payer=payer, **card, **BY_TEST)

        with pytest.raises(MethodTaken):
            save_method(payer=make_agency("OTHER"), **card, **BY_TEST)

    def test_refuses_a_card_nobody_knows(self, payer, processor):
        processor.kind = "stripe"

        with pytest.raises(MethodNeedsReference):
            save_method(payer=payer, processor=processor, **BY_TEST)


class TestRemoveMethod:
    def test_leaves_the_payer_without_and_is_harmless_again(self, payer, processor):
        method = save_method(payer=payer, processor=processor, **BY_TEST)
        for _ in range(2):
            remove_method(method=method, **BY_TEST)

        assert event_types() == ["payment_method.saved", "payment_method.removed"]
        assert not PaymentMethod.objects.filter(removed_at=None).exists()

    def test_cannot_be_undone_by_anybody(self, payer, processor):
        method = save_method(payer=payer, processor=processor, **BY_TEST)
        remove_method(method=method, **BY_TEST)

        with pytest.raises(IntegrityError, match="stays so"), transaction.atomic():
            PaymentMethod.objects.filter(pk=method.pk).update(removed_at=None)


class TestRequestCharge:
    def test_is_by_the_method_of_the_payer(self, payer, invoice, processor):
        method = save_method(payer=payer, processor=processor, **BY_TEST)

        attempt = request_charge(invoice=invoice, **BY_TEST)

        assert (attempt.method, attempt.processor) == (method, processor)

    def test_needs_a_method_where_no_processor_is_named(self, invoice):
        with pytest.raises(NoMethod):
            request_charge(invoice=invoice, **BY_TEST)

    def test_is_never_by_the_method_of_another(self, payer, invoice, processor):
        stranger = save_method(
            payer=make_agency("OTHER"), processor=processor, **BY_TEST
        )
        attempt = request_charge(invoice=invoice, processor=processor, **BY_TEST)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(state="failed")
        attempt.method = stranger

        with pytest.raises(IntegrityError, match="of the payer"), transaction.atomic():
            PaymentAttempt.objects.bulk_create([copy_of(attempt)])


def copy_of(attempt):
    names = ["invoice", "processor", "method", "amount", "currency", "actor"]
    moments = dict.fromkeys(["requested_at", "changed_at", "next_attempt_at"], APRIL_2)
    return PaymentAttempt(**{name: getattr(attempt, name) for name in names}, **moments)


class TestChargeIssued:
    def test_charges_what_is_issued_at_once(self, payer, processor):
        method = save_method(payer=payer, processor=processor, **BY_TEST)

        bill(MARCH)

        attempt = PaymentAttempt.objects.get()
        invoice = documents_of(payer)[0]
        assert (attempt.invoice, attempt.method) == (invoice, method)
        assert (attempt.amount, attempt.actor) == (invoice.total, "autopay")

    def test_charges_only_what_credit_does_not_cover(self, payer, processor):
        save_method(payer=payer, processor=processor, **BY_TEST)
        receive_payment(
            payer=payer, amount=Decimal(30), currency="USD", processor="manual",
            reference="w", now=APRIL_2 - timedelta(days=9),
        )  # fmt: skip

        bill(MARCH)

        assert PaymentAttempt.objects.get().amount == 70

    def test_charges_nothing_where_credit_covers_all(self, payer, processor):
        save_method(payer=payer, processor=processor, **BY_TEST)
        receive_payment(
            payer=payer, amount=Decimal(300), currency="USD", processor="manual",
            reference="w", now=APRIL_2 - timedelta(days=9),
        )  # fmt: skip

        bill(MARCH)

        assert not PaymentAttempt.objects.exists()

    def test_charges_nobody_without_a_method(self, payer):
        bill(MARCH)

        assert not PaymentAttempt.objects.exists()

    def test_asks_no_bank_again_that_declined_for_good(self, payer, processor, clock):
        save_method(payer=payer, processor=processor, **BY_TEST)
        fake = FakeProcessor(lambda: "hard")
        for month in (MARCH, APRIL):
            bill(month)
            charge_due(clock=clock, connect=lambda _: fake)

        last = PaymentAttempt.objects.latest("pk")
        assert len(fake.calls) == 1
        assert (last.state, last.sends) == ("failed", 0)
        assert last.last_error == (
            "the payment method was declined for good or lost a dispute"
        )

        save_method(payer=payer, processor=processor, reference="new", **BY_TEST)
        request_charge(invoice=last.invoice, actor="test", now=clock())
        charge_due(clock=clock, connect=lambda _: fake)
        assert len(fake.calls) == 2

    def test_does_not_wait_for_those_that_are_not_to_be_charged(
        self, payer, processor, clock
    ):
        other = make_agency("OTHER")
        make_seats(other, "cyd")
        for agency in (payer, other):
            save_method(payer=agency, processor=processor, **BY_TEST)
        bill(MARCH)
        first, second = PaymentAttempt.objects.order_by("pk")
        receive_payment(
            payer=first.invoice.payer, amount=first.amount, currency="USD",
            processor="manual", reference="w", now=APRIL_2,
        )  # fmt: skip

        (call,) = claim_calls(CHARGES, now=clock(), limit=1)

        assert call.attempt == second
        assert claim_calls(CHARGES, now=clock(), limit=1) == []

    def test_may_be_turned_off(self, payer, processor, settings):
        settings.CHARGES = {**settings.CHARGES, "ON_ISSUE": False}
        save_method(payer=payer, processor=processor, **BY_TEST)

        bill(MARCH)

        assert not PaymentAttempt.objects.exists()

    def test_asks_once_for_the_methods_of_many_payers(self, payer, processor):
        other = make_agency("OTHER")
        make_seats(other, "cyd")
        for agency in (payer, other):
            save_method(payer=agency, processor=processor, **BY_TEST)
        with connection.execute_wrapper(counting := Counting()):
            bill(MARCH)

        assert PaymentAttempt.objects.count() == 2
        assert counting.of("billing_paymentmethod") == 1


class Counting:
    def __init__(self):
        self.statements = []

    def __call__(self, execute, sql, params, many, context):
        self.statements.append(sql)
        return execute(sql, params, many, context)

    def of(self, table):
        return sum(
            table in statement and statement.startswith("SELECT")
            for statement in self.statements
        )
