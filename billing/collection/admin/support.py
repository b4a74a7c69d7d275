"""The payments and charges of an agency, on its page for staff."""

from django.http import HttpRequest
from django.urls import reverse

from billing.collection.models.attempts import PaymentAttempt
from billing.collection.models.methods import PaymentMethod
from billing.receivables.models import Payment
from core.admin.panels import Link, Money, Panel, Table
from seats.agencies.admin.support import (
    AGENCY,
    first_rows,
    list_for,
    row_link,
    shown_agency,
)


@AGENCY.panel("payments", order=330, permission="billing.view_payment")
def payments_panel(request: HttpRequest, code: str) -> Panel:
    """The newest payments, and how it is charged."""
    agency = shown_agency(request, code)
    payments = Payment.objects.filter(payer=agency).order_by("-pk")
    method = (
        PaymentMethod.objects.filter(payer=agency, removed_at=None)
        .select_related("processor")
        .first()
    )
    statement = reverse("admin:billing_account_statement", args=[agency.code])
    return Panel(
        key="payments",
        title="Payments",
        sentences=[
            f"It is charged by {method}."
            if method
            else "It has no payment method and pays by itself."
        ],
        table=Table(
            ["Payment", "Amount", "Received", "Note"],
            [
                [
                    row_link("billing_payment", payment),
                    Money(payment.amount, payment.currency),
                    payment.received_at,
                    "reversed" if payment.reversed_at else "",
                ]
                for payment in first_rows(payments)
            ],
            empty="It has paid nothing yet.",
        ),
        links=[
            list_for("All payments", "billing_payment", "payer", agency),
            Link("Statement of account", statement),
        ],
        is_wide=True,
    )


@AGENCY.panel("charges", order=335, permission="billing.view_paymentattempt")
def charges_panel(request: HttpRequest, code: str) -> Panel:
    """The newest charges, with what processors said."""
    agency = shown_agency(request, code)
    attempts = PaymentAttempt.objects.filter(invoice__payer=agency)
    rows = [
        [
            row_link("billing_paymentattempt", attempt, attempt.invoice.label),
            Money(attempt.amount, attempt.currency),
            attempt.get_state_display(),
            attempt.last_error,
            attempt.changed_at,
        ]
        for attempt in first_rows(attempts.select_related("invoice").order_by("-pk"))
    ]
    return Panel(
        key="charges",
        title="Charges",
        table=Table(
            ["Invoice", "Amount", "State", "Message", "Since"],
            rows,
            empty="Nothing was charged yet.",
        ),
        links=[
            list_for("All charges", "billing_paymentattempt", "invoice__payer", agency)
        ],
        is_wide=True,
    )
