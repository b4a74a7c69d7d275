"""What of charges, refunds, disputes and processors waits for staff."""

from datetime import datetime, timedelta

from billing.collection.domain.webhook_events import PaymentsDiffer
from billing.collection.models.approvals import RefundApproval
from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.disputes import Dispute
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.refunds import RefundAttempt
from billing.webhooks.models import OutboxEvent
from core.admin.today import Waiting, list_of, waiting, waits

STUCK = ["pending", "unknown"]
DIFFERENCES_SHOWN = timedelta(days=14)


@waits(
    "Charges without an outcome",
    order=30,
    permission="billing.view_paymentattempt",
    todo="Look the charge up at the processor, then close it by hand.",
    url=list_of(
        "billing_paymentattempt", state__in=",".join(STUCK), reported_at__isempty="0"
    ),
)
def unresolved_charges(now: datetime) -> Waiting:
    """Charges that were reported because they are unknown or pending for too long."""
    rows = PaymentAttempt.objects.filter(state__in=STUCK, reported_at__isnull=False)
    return waiting(rows, "requested_at")


@waits(
    "Refunds without an outcome",
    order=31,
    permission="billing.view_refundattempt",
    todo="Look the refund up at the processor, then close it by hand.",
    url=list_of(
        "billing_refundattempt", state__in=",".join(STUCK), reported_at__isempty="0"
    ),
)
def unresolved_refunds(now: datetime) -> Waiting:
    """Refunds that were reported because they are unknown or pending for too long."""
    rows = RefundAttempt.objects.filter(state__in=STUCK, reported_at__isnull=False)
    return waiting(rows, "requested_at")


@waits(
    "Refunds to approve",
    order=32,
    permission="billing.view_refundapproval",
    todo="Approve or decline them; nobody approves a refund of their own.",
    url=list_of("billing_refundapproval", state__exact="requested"),
)
def refunds_to_approve(now: datetime) -> Waiting:
    """Refunds above the limit that nobody has decided about."""
    rows = RefundApproval.objects.filter(state=RefundApproval.State.REQUESTED)
    return waiting(rows, "requested_at")


@waits(
    "Open disputes",
    order=33,
    permission="billing.view_dispute",
    todo="Answer them at the processor before its deadline.",
    url=list_of("billing_dispute", state__exact="open"),
)
def open_disputes(now: datetime) -> Waiting:
    """Payments that banks may take back."""
    return waiting(Dispute.objects.filter(state=Dispute.State.OPEN), "opened_at")


@waits(
    "Processor events in quarantine",
    order=34,
    permission="billing.view_processorevent",
    todo="Mend the cause, then process them again, or set them aside with a reason.",
    url=list_of("billing_processorevent", state__exact="quarantined"),
)
def quarantined_processor_events(now: datetime) -> Waiting:
    """Events of processors that could not be recorded."""
    rows = ProcessorEvent.objects.filter(state=ProcessorEvent.State.QUARANTINED)
    return waiting(rows, "received_at")


@waits(
    "Days that differ from a processor",
    order=35,
    permission="billing.view_paymentprocessor",
    todo="Run reconcile_payments for the day and settle each difference; it stays here"
    f" for {DIFFERENCES_SHOWN.days} days.",
    url=list_of("billing_outboxevent", type__exact=PaymentsDiffer.event_type),
)
def differing_days(now: datetime) -> Waiting:
    """Reconciliations of the last days that found differences."""
    rows = OutboxEvent.objects.filter(
        type=PaymentsDiffer.event_type, occurred_at__gte=now - DIFFERENCES_SHOWN
    )
    return waiting(rows, "occurred_at")
