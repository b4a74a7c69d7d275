"""What no processor ends, told to staff."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.inbound_events import process_events, store_events
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.collection.services.unresolved import report_unresolved
from billing.processors.models import PaymentProcessor
from billing.receivables.services.payments import receive_payment
from billing.receivables.services.reversals import reverse_payment
from seats.models import Agency
from tests.build import documents_of


def leave_open(agency: Agency, *, reason: str) -> None:
    """What no processor ends, and a transfer that was recorded by mistake."""
    at = datetime(2026, 7, 1, tzinfo=UTC)
    audit: dict[str, Any] = {"actor": "somebody@example.com", "now": at}
    acme = PaymentProcessor.objects.get(code="acme")
    payment = receive_payment(
        payer=agency, amount=Decimal(5), currency="USD", processor="acme",
        reference="ch_2", **audit,
    )  # fmt: skip
    request_charge(invoice=documents_of(agency)[0], processor=acme, **audit)
    request_refund(payment=payment, amount=Decimal(5), reason=reason, **audit)
    store_events(acme, [("evt_1", b"{}")], now=at)
    for minutes in (0, 5):  # the first call dies
        process_events(now=at)
        later = at + timedelta(minutes=minutes)
        claim_calls(CHARGES, now=later, limit=8)
        claim_calls(REFUNDS, now=later, limit=8)
    report_unresolved(now=at + timedelta(days=2))
    wrong = receive_payment(
        payer=agency, amount=Decimal(500), currency="USD", processor="manual",
        reference="wire 3", **audit,
    )  # fmt: skip
    reverse_payment(payment=wrong, reason=reason, **audit)
