"""Serializers of dunning cases."""

from typing import Any

from rest_framework import serializers

from billing.dunning.models import DunningCase
from billing.metering.api.serializers import Money

OPEN_STATES = [
    DunningCase.State.RETRYING,
    DunningCase.State.WAITING,
    DunningCase.State.OVERDUE,
    DunningCase.State.SUSPENDED,
]


class DunningOut(serializers.ModelSerializer[DunningCase]):
    """An open case of a payer. `overdue` is the amount past its due date; `owed` also
    includes invoices that could not be charged.

    `invoice` is the oldest. If `next_step_at` is null, a charge is in progress, or a
    payment or another payment method is needed.
    """

    id = serializers.UUIDField(source="public_id")
    payer = serializers.CharField(source="payer.code")
    state = serializers.ChoiceField(choices=OPEN_STATES)
    invoice = serializers.UUIDField(source="invoice.public_id")
    number = serializers.CharField(source="invoice.label")
    currency = serializers.CharField(source="payer.currency")
    owed = Money(currency="payer.currency")
    overdue = Money(currency="payer.currency")
    next_step_at = serializers.DateTimeField(source="postponed_to", allow_null=True)
    held_until = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = DunningCase
        fields = [
            "id", "payer", "state", "since", "invoice", "number", "owed", "overdue",
            "currency", "next_step_at", "held_until", "opened_at",
        ]  # fmt: skip


class DunningFilter(serializers.Serializer[Any]):
    """The filters of the list of cases."""

    agency = serializers.CharField(
        required=False,
        help_text="The agency code of the payer. Default: all the key reaches.",
    )
