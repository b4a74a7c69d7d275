"""Reconciliation of a processor's list with our records and the ledger."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.reconciliation import (
    NoListing,
    reconcile_day,
    reconcile_due,
)
from billing.management.commands.reconcile_payments import Command
from billing.processors.domain.port import AccountMovement, DisputeUpdate, Unreachable
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from billing.webhooks.models import OutboxEvent
from tests.billing.collection.processors import FakeProcessor
from tests.build import APRIL_2, make_agency

DAY = date(2026, 4, 30)
NOON = datetime(2026, 4, 30, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def fake():
    return FakeProcessor()


@pytest.fixture
def compare(processor, fake):
    def comparing(day=DAY):
        comparison = reconcile_day(processor=processor, day=day, connect=lambda _: fake)
        return [
            (row.kind, row.object_type, row.reference, row.recorded, row.reported)
            for row in comparison.differences
        ]

    return comparing


@pytest.fixture
def pay(processor):
    payer = make_agency("PAYING")

    def paying(reference="ch_1", amount=100, at=NOON, code="acme"):
        return receive_payment(
            payer=payer, amount=Decimal(amount), currency="USD", processor=code,
            reference=reference, now=at,
        )  # fmt: skip

    return paying


def give_back(payment, amount, reference="re_1", at=NOON):
    return refund_payment(
        payment=payment, amount=Decimal(amount), reference=reference, reason="test",
        actor="test", now=at,
    )  # fmt: skip


def tell(processor, state, at=NOON):
    update = DisputeUpdate("ch_1", "dp_1", Decimal(40), "USD", state)
    apply_dispute_update(processor=processor, update=update, now=at)


def movement(kind, reference, amount, at=NOON, currency="USD"):
    return AccountMovement(kind, reference, Decimal(amount), currency, at)


class TestReconcileDay:
    def test_finds_nothing_where_all_is_equal(self, compare, pay, fake, processor):
        payment = pay()
        give_back(payment, 30)
        tell(processor, "open")
        tell(processor, "won")
        pay("wire", code="manual")
        fake.movements = [
            movement("payment", "ch_1", 100), movement("refund", "re_1", -30),
            movement("dispute", "dp_1", -40), movement("dispute", "dp_1", 40),
        ]  # fmt: skip

        assert compare() == []

    def test_names_what_only_the_processor_has(self, compare, fake):
        fake.movements = [
            movement("payment", "ch_1", 100),
            movement("refund", "re_1", -1),
        ]

        assert compare() == [
            ("only_at_processor", "payment", "ch_1", "", "100 USD"),
            ("only_at_processor", "refund", "re_1", "", "-1 USD"),
        ]

    def test_names_what_is_only_recorded(self, compare, pay, processor):
        give_back(pay(), 30)
        tell(processor, "lost")

        assert compare() == [
            ("only_recorded", "dispute", "dp_1", "-40 USD", ""),
            ("only_recorded", "payment", "ch_1", "100 USD", ""),
            ("only_recorded", "refund", "re_1", "-30 USD", ""),
        ]

    def test_names_other_amounts_and_currencies(self, compare, pay, fake):
        pay()
        pay("ch_2")
        fake.movements = [
            movement("payment", "ch_1", "99.99"),
            movement("payment", "ch_2", 100, currency="EUR"),
        ]

        assert compare() == [
            ("amount_differs", "payment", "ch_1", "100 USD", "99.99 USD"),
            ("currency_differs", "payment", "ch_2", "100 USD", "100 EUR"),
        ]

    def test_adds_up_refunds_of_several_payments_under_one_reference(
        self, compare, pay, fake
    ):
        for reference in ("ch_1", "ch_2"):
            give_back(pay(reference), 30)
            fake.movements.append(movement("payment", reference, 100))
        fake.movements.append(movement("refund", "re_1", -60))

        assert compare() == []

    def test_names_a_refund_that_came_back(self, compare, pay, fake):
        give_back(pay(), 30)
        fake.movements = [
            movement("payment", "ch_1", 100), movement("refund", "re_1", -30),
            movement("refund", "re_1", 30),
        ]  # fmt: skip

        assert compare() == [("only_at_processor", "refund", "re_1", "", "30 USD")]

    @pytest.mark.parametrize(
        ("happened", "learned"),
        [(-1, 1), (1, -1), (-60 * 24 * 6, 1), (-1, 60 * 24 * 30)],
    )
    def test_minds_no_midnight(self, compare, pay, fake, happened, learned):
        pay(at=MIDNIGHT + timedelta(minutes=learned))
        at = MIDNIGHT + timedelta(minutes=happened)
        fake.movements = [movement("payment", "ch_1", 100, at)]

        days = {at.date(), (MIDNIGHT + timedelta(minutes=learned)).date()}
        if learned < 60 * 24:
            assert [compare(day) for day in sorted(days)] == [[], []]
        else:
            assert compare(at.date()) == []

    def test_takes_no_midnight_for_an_excuse(self, compare, pay, fake):
        pay(at=MIDNIGHT)

        assert compare(DAY) == []
        (difference,) = compare(MIDNIGHT.date())
        assert difference[0] == "only_recorded"

    def test_lets_a_dispute_come_and_go_that_was_told_when_it_was_over(
        self, compare, pay, fake, processor
    ):
        pay(at=APRIL_2)
        tell(processor, "won")
        assert compare() == []

        fake.movements = [
            movement("dispute", "dp_1", -40),
            movement("dispute", "dp_1", 40),
        ]
        assert compare() == []

    def test_refuses_a_processor_that_lists_nothing(self, processor):
        with pytest.raises(NoListing):
            reconcile_day(processor=processor, day=DAY)

    @pytest.mark.parametrize(
        ("touch", "expected"),
        [
            ("UPDATE billing_ledgerentry SET amount = 99 WHERE account = 'cash'",
             ("payment", "ch_1", "100", "99")),
            ("UPDATE billing_ledgerentry SET processor = 'x' WHERE account = 'cash'",
             ("payment", "ch_1", "100", "")),
            ("UPDATE billing_ledgertransaction SET fact_id = 0",
             ("payment", "0", "", "100")),
        ],
    )  # fmt: skip
    def test_names_a_ledger_that_says_otherwise(self, owner_cursor, touch, expected):
        processor = add_processor(
            code="acme", url="https://pay.example.com", actor="t", now=APRIL_2
        )[0]
        receive_payment(
            payer=make_agency(), amount=Decimal(100), currency="USD", processor="acme",
            reference="ch_1", now=NOON,
        )  # fmt: skip
        table = touch.split()[1]
        owner_cursor.execute(
            f"ALTER TABLE {table} DISABLE TRIGGER USER; {touch};"
            f" ALTER TABLE {table} ENABLE TRIGGER USER"
        )
        fake = FakeProcessor(movements=[movement("payment", "ch_1", 100)])

        comparison = reconcile_day(processor=processor, day=DAY, connect=lambda _: fake)

        differences = [
            (d.kind, d.object_type, d.reference, d.recorded, d.reported)
            for d in comparison.differences
        ]
        assert ("ledger_differs", *expected) in differences

    def test_takes_as_many_queries_for_many_rows_as_for_few(
        self, compare, pay, fake, django_assert_max_num_queries
    ):
        for number in range(12):
            payment = pay(f"ch_{number}")
            give_back(payment, 1, f"re_{number}")
            fake.movements += [
                movement("payment", f"ch_{number}", 100),
                movement("refund", f"re_{number}", -1),
            ]

        with django_assert_max_num_queries(4):
            assert compare() == []


class TestReconcileDue:
    @pytest.fixture(autouse=True)
    def compared(self, processor):
        """Up to the day before DAY."""
        processor.reconciled_through = DAY - timedelta(days=1)
        processor.save(update_fields=["reconciled_through"])

    def published(self):
        events = OutboxEvent.objects.filter(type__startswith="payments.")
        return list(events.order_by("pk").values_list("type", "payload__differences"))

    def days(self):
        events = OutboxEvent.objects.filter(type__startswith="payments.")
        return list(events.order_by("pk").values_list("payload__day", flat=True))

    def due(self, fake, now=MIDNIGHT + timedelta(hours=5)):
        reconcile_due(now=now, connect=lambda _: fake)

    def test_tells_once_of_yesterday(self, pay, fake):
        pay()
        for _ in range(2):
            self.due(fake)

        assert self.published() == [("payments.differ", 1)]
        self.due(fake, MIDNIGHT + timedelta(hours=30))
        assert self.published()[1:] == [("payments.reconciled", 0)]

    def test_asks_again_who_could_not_be_asked(self, fake):
        fake.away = True
        self.due(fake)
        assert self.published() == []

        fake.away = False
        self.due(fake)
        assert self.published() == [("payments.reconciled", 0)]

    def test_compares_each_day_of_an_outage_once_and_in_order(self, pay, fake):
        pay(at=NOON + timedelta(days=2))
        back = MIDNIGHT + timedelta(days=3, hours=1)

        for _ in range(2):
            self.due(fake, back)

        assert self.days() == ["2026-04-30", "2026-05-01", "2026-05-02", "2026-05-03"]
        assert [count for _, count in self.published()] == [0, 0, 1, 0]

    def test_goes_on_with_the_day_it_was_cut_off_at(self, fake):
        list_movements, compared = fake.account_movements, []

        def list_until_cut(starts_at, ends_at):
            compared.append(starts_at.date())
            if len(compared) == 3:
                raise Unreachable("gone")
            return list_movements(starts_at, ends_at)

        fake.account_movements = list_until_cut
        for _ in range(2):
            self.due(fake, MIDNIGHT + timedelta(days=3))

        assert self.days() == ["2026-04-30", "2026-05-01", "2026-05-02", "2026-05-03"]
        assert [day.day for day in compared] == [30, 1, 2, 2, 3]

    def test_compares_the_last_days_of_a_very_long_outage(
        self, processor, fake, settings, caplog
    ):
        settings.CHARGES = {**settings.CHARGES, "RECONCILE_DAYS": 3}
        self.due(fake, MIDNIGHT + timedelta(days=10))

        assert self.days() == ["2026-05-08", "2026-05-09", "2026-05-10"]
        assert (
            "from 2026-04-30 to 2026-05-07 are not reconciled automatically any more"
            in caplog.text
        )

    def test_begins_with_the_day_it_was_added(self, processor, fake):
        processor.reconciled_through = None
        processor.save(update_fields=["reconciled_through"])
        added_at = processor.added_at

        self.due(fake, added_at)
        assert self.days() == []
        self.due(fake, added_at + timedelta(days=1))
        assert self.days() == [f"{added_at:%Y-%m-%d}"]

    def test_an_error_with_one_processor_holds_up_no_other(self, processor, fake):
        other = add_processor(
            code="zeta", url="https://pay.example.com", actor="t", now=NOON
        )[0]

        def connect(row):
            if row == processor:
                raise ZeroDivisionError
            return fake

        for _ in range(2):
            with pytest.raises(ExceptionGroup):
                reconcile_due(now=MIDNIGHT, connect=connect)

        other.refresh_from_db()
        assert (other.reconciled_through, len(self.published())) == (DAY, 1)

    def test_passes_over_who_lists_nothing_or_cannot_be_read(self, processor, settings):
        reconcile_due(now=MIDNIGHT)
        settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}
        reconcile_due(now=MIDNIGHT)

        assert self.published() == []


class TestCommand:
    def run(self, *extra, code="acme", fake=None):
        out, command = StringIO(), Command()
        if fake:
            command.connect = lambda _: fake
        call_command(
            command, f"--processor={code}", "--day=2026-04-30", *extra, stdout=out
        )
        return out.getvalue()

    def test_ends_with_nothing_to_say(self, fake, pay):
        pay()
        fake.movements = [movement("payment", "ch_1", 100)]

        assert "1 compared, 0 differences" in self.run(fake=fake)

    def test_names_the_differences_and_exits_with_1(self, fake, pay):
        pay()
        with pytest.raises(SystemExit) as ended:
            self.run(fake=fake)

        assert ended.value.code == 1

    def test_says_the_same_as_json(self, fake, processor):
        document = json.loads(self.run("--json", fake=fake))

        assert document == {
            "processor": "acme", "day": "2026-04-30", "compared": 0, "differences": [],
        }  # fmt: skip

    def test_exits_with_2_where_it_cannot_ask(self, processor):
        assert PaymentProcessor.objects.count() == 1
        for code, says in (("acme", "no_listing"), ("nobody", "not_found")):
            with pytest.raises(CommandError, match=says) as refused:
                self.run(code=code)
            assert refused.value.returncode == 2

    def test_exits_with_2_where_nobody_answers(self, fake, processor):
        fake.away = True

        with pytest.raises(CommandError, match="unreachable") as refused:
            self.run(fake=fake)
        assert refused.value.returncode == 2


def test_an_unreadable_secret_is_not_taken_for_no_difference(processor, settings):
    settings.WEBHOOKS = {**settings.WEBHOOKS, "SECRETS_KEYS": ["another"]}

    with pytest.raises(Unreachable):
        reconcile_day(processor=processor, day=DAY)
