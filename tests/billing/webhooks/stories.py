"""A story in which everything is announced that can be, by the services that do it."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from billing.accounts.services import (
    lift_suspension,
    set_payer_shares,
    suspend_outbound,
)
from billing.budgets.services.alerts import check_budgets
from billing.budgets.services.budgets import add_budget
from billing.collection.services.attempts import request_charge
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.methods import remove_method, save_method
from billing.collection.services.outcomes import apply_charge_outcome
from billing.collection.services.reconciliation import reconcile_due
from billing.collection.services.refund_requests import (
    apply_refund_outcome,
    request_refund,
)
from billing.dunning.services.cases import hold_dunning
from billing.invoicing.models.documents import Document
from billing.invoicing.services.documents import void_document, voided_event
from billing.invoicing.verification.findings import Finding, about_agency
from billing.invoicing.verification.recording import record_findings
from billing.metering.models import ArchivedMonth
from billing.metering.services.archiving import archived_event
from billing.pricing.models import Meter
from billing.processors.domain.port import DisputeUpdate, ProcessorOutcome
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor, change_processor
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.refunds import refund_payment
from billing.webhooks.services.access import end_endpoints
from billing.webhooks.services.endpoints import add_endpoint
from billing.webhooks.services.outbox import publish
from seats.agencies.services import change_zone, set_upline
from seats.models import Agency, Seat
from seats.roster.services.seats import (
    cancel_seats,
    hand_over_seats,
    remove_seats,
    reopen_seats,
    transfer_seats,
)
from tests.billing.collection.processors import FakeProcessor
from tests.billing.dunning.conftest import Days, make_payer, pay, save_card
from tests.billing.webhooks.open_ends import leave_open
from tests.build import (
    APRIL,
    APRIL_2,
    MARCH,
    MAY,
    MAY_2,
    bill,
    call,
    documents_of,
    make_agency,
    make_agents,
    make_prices,
    make_seats,
    use,
)

WHO: dict[str, Any] = {
    "actor": "somebody@example.com",
    "now": datetime(2026, 3, 20, tzinfo=UTC),
}
WHY: dict[str, Any] = {"reason": "said on the phone", "staff": True}


def play_everything() -> None:
    """Two agencies with seats that change in every way, billed and corrected."""
    make_prices()
    sunrise, pacific = make_agency(), make_agency("PACIFIC")
    quiet = make_agency("QUIET")
    first = make_seats(quiet, "fay")
    taken_back, paying = make_agency("BACK"), make_agency("PAYING")
    for agency in (taken_back, paying):
        make_seats(agency, "hal")
    set_upline(agency=pacific, upline=sunrise, on=MARCH, **WHO)
    change_zone(agency=pacific, zone="America/Denver", starts_on=APRIL, **WHO)
    add_endpoint(agency=quiet, owner=sunrise, url="https://example.com/", **WHO)
    end_endpoints(now=WHO["now"])
    change_seats(sunrise, pacific)
    set_payer_shares(
        agency=pacific, shares={sunrise: Decimal(100)}, starts_on=MAY,
        reason=WHY["reason"], **WHO,
    )  # fmt: skip
    bill(MARCH)
    exchange_a_whole_month(quiet, first)
    correct_and_void(sunrise, taken_back)
    pay_and_refund(paying)
    charge_in_vain(paying)
    ask_back_and_dispute(paying)
    compare_with_the_processor()
    spend_and_be_stopped(paying)
    be_dunned()
    leave_open(paying, reason=WHY["reason"])
    archive()
    find_and_settle(sunrise)


def find_and_settle(agency: Agency) -> None:
    """A difference that one pass sees, and the next one does not."""
    finding = Finding("seat_differs", "Seat 1", "differs", about_agency(agency.pk))
    for seen in ([finding], []):
        record_findings(seen, covers=lambda row: True, run=None, now=WHO["now"])


def change_seats(sunrise: Agency, pacific: Agency) -> None:
    first, second, third = make_seats(sunrise, "ana", "ben", "cat")
    dan, (eve,) = make_agents(sunrise, "dan")[0], make_agents(pacific, "eve")
    hand_over_seats(moves=[(first, dan)], on=date(2026, 3, 10), **WHO, **WHY)
    for on in (date(2026, 3, 15), date(2026, 3, 16)):  # removed, then re-dated
        remove_seats(seats=[second], on=on, **WHO, **WHY)
    reopen_seats(seats=[second], **WHO, **WHY)
    transfer_seats(moves=[(second, eve)], on=date(2026, 3, 18), **WHO, **WHY)
    cancel_seats(seats=[third], **WHO, **WHY)


def exchange_a_whole_month(agency: Agency, seats: list[Seat]) -> None:
    """One month less and one more: an invoice over nothing, paid at once."""
    cancel_seats(seats=seats, actor="somebody@example.com", now=APRIL_2, **WHY)
    make_seats(agency, "gil", on=APRIL, now=APRIL_2)


def correct_and_void(agency: Agency, other: Agency) -> None:
    """A credit note for seats that were gone; an invoice that is taken back."""
    seats = list(agency.seats.filter(removed_on=None, cancelled=False))
    gone: dict[str, Any] = {
        "on": date(2026, 3, 11),
        "actor": "somebody@example.com",
        "now": APRIL_2,
    }
    remove_seats(seats=seats, **gone, **WHY)
    bill(APRIL)
    invoice = documents_of(other)[0]
    void_document(
        document_id=invoice.pk, actor="somebody@example.com", reason=WHY["reason"],
        now=MAY_2,
    )  # fmt: skip
    # A note that covers something stays, and each covers what it corrects at once; only
    # one from before there were payments can be taken back.
    note = Document.objects.get(payer=agency, kind=Document.Kind.CORRECTION)
    with transaction.atomic():
        publish(voided_event(note, {}, "somebody@example.com", "said"), now=MAY_2)


def pay_and_refund(agency: Agency) -> None:
    """Money for an invoice that goes back again."""
    payment = receive_payment(
        payer=agency, amount=Decimal(50), currency="USD", processor="manual",
        reference="wire 1", actor="somebody@example.com", now=MAY_2,
    )  # fmt: skip
    refund_payment(
        payment=payment, amount=Decimal(50), reference="wire 2", now=MAY_2,
        reason=WHY["reason"], actor="somebody@example.com",
    )  # fmt: skip


def charge_in_vain(agency: Agency) -> None:
    """A charge that is asked for, and certainly did not happen."""
    audit: dict[str, Any] = {"actor": "somebody@example.com", "now": MAY_2}
    acme = add_processor(code="acme", url="https://pay.example.com", **audit)[0]
    invoice = documents_of(agency)[0]
    method = save_method(payer=agency, processor=acme, **audit)
    attempt = request_charge(invoice=invoice, **audit)
    remove_method(method=method, **audit)
    change_processor(processor=acme, url="https://pay.example.org", **audit)
    failed = ProcessorOutcome("failed", reason="said on the phone")
    apply_charge_outcome(attempt=attempt, outcome=failed, now=MAY_2)


def ask_back_and_dispute(agency: Agency) -> None:
    """A refund that a processor does not make, a dispute that is won, one lost."""
    audit: dict[str, Any] = {"actor": "somebody@example.com", "now": MAY_2}
    payment = receive_payment(
        payer=agency, amount=Decimal(20), currency="USD", processor="acme",
        reference="ch_1", **audit,
    )  # fmt: skip
    attempt = request_refund(
        payment=payment, amount=Decimal(20), reason=WHY["reason"], **audit
    )
    failed = ProcessorOutcome("failed", reason="said on the phone")
    apply_refund_outcome(attempt=attempt, outcome=failed, now=MAY_2)
    for reference, state in (("dp_1", "open"), ("dp_1", "won"), ("dp_2", "lost")):
        apply_dispute_update(
            processor=attempt.processor,
            update=DisputeUpdate("ch_1", reference, Decimal(20), "USD", state),  # type: ignore[arg-type]
            now=MAY_2,
        )


def compare_with_the_processor() -> None:
    """A processor that lists nothing: on one day that is wrong, on the next right."""
    for day in (MAY_2.date(), MAY_2.date() + timedelta(days=1)):
        now = datetime.combine(day, time(12), UTC) + timedelta(days=1)
        reconcile_due(now=now, connect=lambda _: FakeProcessor())


def spend_and_be_stopped(agency: Agency) -> None:
    """A budget that is reached, one that will be, and a stop that ends."""
    audit: dict[str, Any] = {"agency": agency, "actor": "somebody@example.com"}
    at = datetime(2026, 5, 10, 16, tzinfo=UTC)
    used_at = at - timedelta(days=5)
    use(call(agency.code, quantity=Decimal(6000), occurred_at=used_at), now=at)
    add_budget(amount=Decimal(1), now=at, **audit)
    add_budget(
        meter=Meter.objects.get(code="voice.out"),
        quantity=Decimal(250),
        now=at,
        **audit,
    )
    check_budgets(now=at + timedelta(hours=1))
    suspend_outbound(reason="unpaid", now=at, **audit)
    lift_suspension(reason="paid", now=at, **audit)


def be_dunned() -> None:
    """A payer that pays late in every way there is."""
    late = make_payer("LATE")
    acme = PaymentProcessor.objects.get(code="acme")
    save_card(late, acme, MAY_2)
    bill(APRIL)  # of March and of April, charged at once, in vain
    days = Days()
    days.faults = ["soft", "soft"] + ["hard"] * 9
    for number in range(30, 60):
        days.at(number)
    hold_dunning(
        payer=late, until=date(2026, 6, 10), reason=WHY["reason"],
        actor="somebody@example.com", now=days.now,
    )  # fmt: skip
    pay(late, 500, days.now)


def archive() -> None:
    """What archiving announces; to archive in earnest takes a database of its own."""
    record = ArchivedMonth(
        month=MARCH, file_name="usage-2026-03.parquet", rows=82, file_size=1,
        file_hash="00", sums_hash="00", archived_at=MAY_2, detached_at=MAY_2,
        actor="somebody@example.com",
    )  # fmt: skip
    with transaction.atomic():
        publish(archived_event(record), now=MAY_2)
