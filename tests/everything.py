"""A history after which every list of the admin has a row that its actions can change."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import transaction
from django.utils import timezone

from billing.accounts.services import set_payer_shares, suspend_outbound
from billing.budgets.services.budgets import add_budget
from billing.collection.models.checkout import CheckoutPage
from billing.collection.services.attempts import request_charge
from billing.collection.services.charges import CHARGES
from billing.collection.services.dispatch import claim_calls
from billing.collection.services.disputes import apply_dispute_update
from billing.collection.services.inbound_events import process_events, store_events
from billing.collection.services.methods import save_method
from billing.collection.services.refund_approvals import request_approval
from billing.collection.services.refund_requests import REFUNDS, request_refund
from billing.dunning.services.cases import hold_dunning
from billing.dunning.services.sweep import step_due
from billing.invoicing.models.documents import Document
from billing.invoicing.models.verification import VerificationRun
from billing.invoicing.verification.findings import Finding, about_payer
from billing.invoicing.verification.recording import record_findings
from billing.mail.services.outbox import queue_mail
from billing.metering.models import ConversationLeg, UsageImport
from billing.metering.services.dial_plans import set_dial_plan
from billing.processors.domain.port import DisputeUpdate
from billing.processors.models import PaymentProcessor
from billing.processors.services.processors import add_processor
from billing.receivables.services.payments import receive_payment
from billing.recurring.models import RecurringJob
from billing.webhooks.models import Delivery
from billing.webhooks.services.endpoints import add_endpoint, pause_endpoint
from billing.webhooks.services.fanout import fan_out_due
from seats.api_keys.services import create_key
from seats.members.services import create_invitation
from seats.models import Agency, Member, User
from seats.roster.services.seats import remove_seats
from seats.support.services import allow_changes, record_view, start_session
from tests.build import (
    APRIL_2,
    MARCH,
    MARCH_1,
    MAY_2,
    bill,
    call,
    make_agency,
    make_agents,
    make_draft_list,
    make_prices,
    make_seats,
    statuses,
    use,
)

LATE = MAY_2 + timedelta(days=30)


def make_everything(settings: Any) -> Agency:
    """Everything that staff may meet, in its longest usual form; gives an agency.

    SUNRISE owes March and has a draft of April, and PARKED cannot be billed.
    """
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": None}
    settings.EMAIL_HOST, settings.DEFAULT_FROM_EMAIL = "localhost", "a@example.com"
    make_prices()
    make_draft_list("NEXT", starts_on=date(timezone.now().year + 2, 1, 1))
    top, agency = make_agency("TOP"), make_agency()
    make_agents(top, "mover")
    make_seats(make_agency("BARE"), "bea")
    _make_roster(agency)
    set_payer_shares(
        agency=top, shares={agency: Decimal(100)}, starts_on=MARCH, actor="test",
        now=MARCH_1,
    )  # fmt: skip
    _make_usage(agency)
    add_budget(
        agency=agency, agent=None, meter=None, amount=Decimal("12500.50"), quantity=None,
        hard=False, thresholds=[50, 80, 100], actor="test", now=MARCH_1,
    )  # fmt: skip
    set_dial_plan(
        agency=agency, inbound_words=["kunde"], outbound_words=["raus"], actor="test",
        now=MARCH_1,
    )  # fmt: skip
    _make_endpoints(agency)
    parked = make_agency("PARKED", currency="EUR")
    make_seats(parked, "zoe")
    suspend_outbound(agency=parked, reason="fraud", actor="test", now=MARCH_1)
    bill(MARCH)
    step_due(now=LATE)
    _make_money(agency)
    settings.BILLING = {**settings.BILLING, "REVIEW_WINDOW": timedelta(days=365 * 50)}
    bill(date(2026, 4, 1))
    fan_out_due(now=LATE)
    first = Delivery.objects.order_by("pk").values("pk")[:1]
    Delivery.objects.filter(pk__in=first).update(state="delivered", settled_at=LATE)
    _make_support(agency)
    _make_rest(agency)
    _make_checks(agency)
    return agency


def _make_roster(agency: Agency) -> None:
    (removed, *_) = make_seats(agency, *(f"agent-{n}" for n in range(40)))
    make_agents(agency, "newcomer")
    remove_seats(
        seats=[removed], on=date(2026, 3, 20), actor="test", now=APRIL_2, staff=True,
        reason="left",
    )  # fmt: skip
    user = User.objects.create_user("owner@sunrise.example.com", name="Olivia Owner")
    Member.objects.create(user=user, agency=agency, role="owner", created_at=MARCH_1)
    Authenticator.objects.create(user=user, type="totp", data={"secret": ""})
    create_invitation(
        agency=agency, email="colleague@sunrise.example.com", role="billing_viewer",
        invited_by=user, page_url="https://billing.example.com/", now=timezone.now(),
    )  # fmt: skip
    create_key(agency=agency, scopes=["usage:write"], actor="test", now=MARCH_1)


def _make_endpoints(agency: Agency) -> None:
    for path in ("in", "paused"):
        endpoint, _ = add_endpoint(
            agency=agency, url=f"https://hooks.example.com/{path}", actor="test",
            now=MARCH_1,
        )  # fmt: skip
    pause_endpoint(endpoint=endpoint)
    fan_out_due(now=MARCH_1)


def _make_usage(agency: Agency) -> None:
    counted = call(id="once", quantity=Decimal(3_600))
    verdicts = use(counted)
    verdicts += use(
        replace(counted, quantity=Decimal(20)), call(id="lost", agent="nobody")
    )
    assert statuses(verdicts) == ["accepted", "conflict", "unknown_agent"]
    UsageImport.objects.create(
        agency=agency, file_name="calls-of-march-2026-sunrise.csv", file_hash="0" * 64,
        format="csv", state="done", actor="test", created_at=MARCH_1, file_size=9,
        finished_at=MARCH_1, uploaded=False, rows=123456, accepted=123456,
        next_attempt_at=MARCH_1,
    )  # fmt: skip
    ConversationLeg.objects.create(
        agency=agency, source="import:twilio:SUNRISE", leg="CB", conversation="CA",
        content={}, state="waiting", reason="its first leg was not read yet",
        used_on=MARCH, received_at=MARCH_1,
    )  # fmt: skip


def _make_money(agency: Agency) -> None:
    acme = add_processor(
        code="acme", url="https://pay.example.com", actor="test", now=APRIL_2
    )[0]
    invoice = Document.objects.get(payer=agency, state="open")
    attempt = request_charge(invoice=invoice, processor=acme, actor="test", now=APRIL_2)
    payment = receive_payment(
        payer=agency, amount=Decimal("1234.50"), currency="USD", processor="acme",
        reference="ch_0123456789abcdef", now=APRIL_2,
    )  # fmt: skip
    update = DisputeUpdate(payment.reference, "dp_1", Decimal(15), "USD", "lost")
    apply_dispute_update(processor=acme, update=update, now=MAY_2)
    request_refund(
        payment=payment, amount=Decimal(1), reason="test", actor="t", now=APRIL_2
    )
    request_approval(
        payment=payment, amount=Decimal("600.00"), reason="billed twice",
        user=User.objects.get(email="owner@sunrise.example.com"), now=APRIL_2,
    )  # fmt: skip
    for at in (APRIL_2, APRIL_2 + timedelta(hours=1)):
        claim_calls(CHARGES, now=at, limit=1)
        claim_calls(REFUNDS, now=at, limit=1)
    CheckoutPage.objects.create(
        kind="payment", payer=agency, processor=acme, attempt=attempt, actor="test",
        opened_at=APRIL_2, expires_at=MAY_2, sent_until=MAY_2,
    )  # fmt: skip
    receive_payment(
        payer=agency, amount=Decimal(3), currency="USD", processor="manual",
        reference="a bank transfer", now=APRIL_2,
    )  # fmt: skip
    save_method(payer=agency, processor=acme, label="visa", actor="test", now=APRIL_2)
    _quarantine(acme)


def _make_checks(agency: Agency) -> None:
    """A pass over the books with a finding, and work that is done again and again."""
    run = VerificationRun.objects.create(
        kind="full", state="finished", actor="schedule", started_at=LATE,
        finished_at=LATE, findings=1, opened=1, pending_facts=123_456,
    )  # fmt: skip
    finding = Finding(
        "ledger_differs", "payment 1", "says 12.00, facts 13.00", about_payer(agency.pk)
    )
    record_findings([finding], covers=lambda row: False, run=run, now=LATE)
    RecurringJob.objects.create(
        name="metering.partitions", next_run_at=LATE, last_error="OperationalError"
    )


def _quarantine(processor: PaymentProcessor) -> None:
    store_events(processor, [("evt_1", b"{}")], now=timezone.now())
    process_events(now=timezone.now())


def _make_support(agency: Agency) -> None:
    """Support that acts as a member, and looks at a page."""
    owner = User.objects.get(email="owner@sunrise.example.com")
    staff = User.objects.create_user("ann@staff.example", "a b c", is_staff=True)
    session = start_session(
        staff=staff, user=owner, agency=agency, reason="Ticket 7", now=LATE
    )
    record_view(
        session=session, method="GET", path="/agency/", http_status=200, now=LATE
    )
    allow_changes(
        agency=agency, allowed_by=owner, until=LATE + timedelta(days=2), now=LATE
    )


def _make_rest(agency: Agency) -> None:
    hold_dunning(
        payer=agency, until=LATE.date() + timedelta(days=9), reason="promised",
        actor="test", now=LATE,
    )  # fmt: skip
    with transaction.atomic():
        mail = queue_mail(
            to=["owner@sunrise.example.com"], template="dunning_ended",
            context={"agency": agency, "lifted": True}, subject_key="case:1",
            agency_id=agency.pk, now=LATE,
        )  # fmt: skip
        assert mail
        mail.state = mail.State.FAILED
        mail.save(update_fields=["state"])
    LogEntry.objects.log_actions(
        User.objects.get(email="owner@sunrise.example.com").pk, [agency], CHANGE,
        "Change the time zone. Reason: moved to another office in another state",
    )  # fmt: skip
