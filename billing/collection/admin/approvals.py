"""Admin page of refunds that a second person has to approve."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from billing.collection.admin.amounts import WithMoney
from billing.collection.models.approvals import RefundApproval
from billing.collection.services.refund_approvals import (
    approve_refund,
    decline_refund,
)
from billing.collection.services.refund_requests import refunding_processor
from billing.receivables.queries.refundable import payment_balances
from core.admin.actions import ActionOutcome, Unchanged, staff_action, unchanged_if
from core.admin.readonly import ReadOnlyAdmin
from core.money import money_label

State = RefundApproval.State


def approval_effects(
    request: HttpRequest, rows: list[RefundApproval], data: dict[str, Any] | None
) -> list[str]:
    """What is refunded, what it leaves of the payment, and who cannot approve it."""
    balances = payment_balances([row.payment_id for row in rows])
    return [_approval_effect(request, row, balances[row.payment_id]) for row in rows]


def _approval_effect(request: HttpRequest, row: RefundApproval, balance: Any) -> str:
    if row.state != State.REQUESTED:
        return Unchanged(f"{_named(row)} is already {row.state}.")
    if row.requested_by_id == request.user.pk:
        return Unchanged(
            f"{_named(row)} was requested by you, so another person approves it."
        )
    way = (
        f"{row.payment.processor} is asked to refund it"
        if refunding_processor(row.payment)
        else "it is recorded as refunded by hand"
    )
    left = balance.refundable - row.amount
    return unchanged_if(
        left < 0,
        f"{_named(row)}, requested by {row.requested_by} because: {row.reason}."
        + (
            f" Only {money_label(balance.refundable, row.currency)} of it can be"
            " refunded by now."
            if left < 0
            else f" {money_label(left, row.currency)} remains of the payment; {way}."
            " Invoices that it covered are owed again."
        ),
    )


def decline_effects(
    rows: list[RefundApproval], data: dict[str, Any] | None
) -> list[str]:
    """The refunds that are not made."""
    return [
        unchanged_if(
            row.state != State.REQUESTED,
            f"{_named(row)} is already {row.state}."
            if row.state != State.REQUESTED
            else f"{_named(row)} is not refunded.",
        )
        for row in rows
    ]


def _named(row: RefundApproval) -> str:
    return (
        f"{money_label(row.amount, row.currency)} of payment {row.payment} of"
        f" {row.payment.payer.code}"
    )


@admin.register(RefundApproval)
class RefundApprovalAdmin(WithMoney, ReadOnlyAdmin):
    """Refunds above the limit. They are requested at their payment, and decided here."""

    menu = ("Disputes and refunds", "Refund requests")
    list_display = [
        "payment", "payment__payer", "money", "state", "reason", "requested_by",
        "requested_at", "decided_by",
    ]  # fmt: skip
    fields = [
        "payment", "money", "reference", "reason", "state", "requested_by",
        "requested_at", "decided_by", "decided_at", "decision", "attempt",
    ]  # fmt: skip
    readonly_fields = ["money"]
    list_select_related = ["payment__payer", "requested_by", "decided_by"]
    list_filter = ["state", "currency"]
    search_fields = ["payment__payer__code", "payment__reference"]
    actions = ["approve", "decline"]

    @staff_action(
        "Approve, as a second person",
        sensitive=True,
        by_user=True,
        effects=approval_effects,
        undo="A refund cannot be undone. Charge the invoice again.",
        done="approved",
        one_by_one=True,
    )
    def approve(
        self, request: HttpRequest, rows: list[RefundApproval], data: dict[str, Any]
    ) -> ActionOutcome | None:
        for row in rows:
            approve_refund(
                approval=row,
                user=request.user,  # type: ignore[arg-type]
                reason=data["reason"],
                now=timezone.now(),
            )
        return None

    @staff_action(
        "Decline",
        effects=decline_effects,
        undo="Request the refund again, at its payment.",
        done="declined",
    )
    def decline(
        self, request: HttpRequest, rows: list[RefundApproval], data: dict[str, Any]
    ) -> ActionOutcome | None:
        for row in rows:
            decline_refund(
                approval=row,
                user=request.user,  # type: ignore[arg-type]
                reason=data["reason"],
                now=timezone.now(),
            )
        return None
