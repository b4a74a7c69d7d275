"""What happens to the invoices of the demo: payments, a refund, a dispute, dunning."""

from datetime import datetime
from decimal import Decimal

from billing.budgets.models import Budget, BudgetMonth
from billing.budgets.services.alerts import check_budgets
from billing.budgets.services.budgets import add_budget, change_budget
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import charge_due
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.methods import save_method
from billing.invoicing.models.documents import Document
from billing.management.demo.processor import add_demo_processor, connect_demo
from billing.processors.domain.port import MANUAL, DisputeUpdate
from billing.processors.models import PaymentProcessor
from billing.receivables.models import Payment
from billing.receivables.queries.positions import amounts_due
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from core.money import round_money
from seats.models import Agency

ACTOR = "demo"
TRANSFERS = ["HARBOR", "BAYOU", "PACIFIC"]  # pay by bank transfer, as soon as billed
PART_PAYER, PART = "DESERT", Decimal("100.00")  # pays a part of its oldest invoice
OVERPAYER, TOO_MUCH, SENT_BACK = "HARBOR", Decimal("75.00"), Decimal("25.00")
CARD = "Visa ending 4242"
CARDS = ["SUNRISE", "REDROCK", "LAKESIDE"]  # charged; LAKESIDE's card is declined
DISPUTING = "REDROCK"
BUDGET_OF = "SUNRISE"


def collect(*, now: datetime) -> None:
    """Have the invoices of the demo paid, declined, disputed and refunded."""
    for code in TRANSFERS:
        for invoice in _open_invoices(code):
            _transfer(invoice, _left(invoice), f"wire {invoice}", now)
    _transfer(_open_invoices(PART_PAYER)[0], PART, "check 1042", now)
    _overpay(now)
    processor = add_demo_processor(now=now)
    for code in CARDS:
        invoice = _open_invoices(code)[0]
        save_method(
            payer=invoice.payer, processor=processor, label=CARD, actor=ACTOR, now=now
        )
        request_charge(invoice=invoice, actor=ACTOR, now=now)
    charge_due(clock=lambda: now, connect=connect_demo)
    _dispute(processor, now)


def budget(*, now: datetime) -> None:
    """Give an agency a budget for its usage that it has nearly used up this month."""
    limited = add_budget(
        agency=Agency.objects.get(code=BUDGET_OF),
        amount=Decimal(1_000_000),
        actor=ACTOR,
        now=now,
    )
    check_budgets(now=now)
    used = BudgetMonth.objects.filter(budget=limited).order_by("month").last()
    amount = round_money((used.used if used else 0) + Decimal(10), "USD")
    change_budget(budget=Budget.objects.get(pk=limited.pk), actor=ACTOR, amount=amount)
    check_budgets(now=now)


def _open_invoices(code: str) -> list[Document]:
    """The invoices of a payer that are not paid, the oldest first."""
    documents = Document.objects.filter(
        payer__code=code, kind=Document.Kind.INVOICE, state=Document.State.OPEN
    )
    return list(documents.select_related("payer").order_by("number"))


def _left(invoice: Document) -> Decimal:
    return amounts_due([invoice.pk])[invoice.pk].amount


def _transfer(
    invoice: Document, amount: Decimal, reference: str, now: datetime
) -> None:
    receive_payment(
        payer=invoice.payer,
        amount=amount,
        currency=invoice.currency,
        processor=MANUAL,
        reference=reference,
        document=invoice,
        actor=ACTOR,
        method="bank_transfer",
        now=now,
    )


def _overpay(now: datetime) -> None:
    """A transfer that no invoice is open for; a part of it is sent back."""
    payment = receive_payment(
        payer=Agency.objects.get(code=OVERPAYER),
        amount=TOO_MUCH,
        currency="USD",
        processor=MANUAL,
        reference="wire sent twice",
        actor=ACTOR,
        method="bank_transfer",
        now=now,
    )
    refund_payment(
        payment=payment,
        amount=SENT_BACK,
        reference="wire back",
        reason="Paid twice",
        actor=ACTOR,
        now=now,
    )


def _dispute(processor: PaymentProcessor, now: datetime) -> None:
    payment = Payment.objects.get(processor=processor.code, payer__code=DISPUTING)
    update = DisputeUpdate(
        payment=payment.reference,
        reference="dp_demo",
        amount=payment.amount,
        currency=payment.currency,
        state="open",
        reason="unrecognized",
    )
    apply_dispute_update(processor=processor, update=update, now=now)
