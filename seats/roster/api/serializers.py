"""Serializers of agencies, agents and seats."""

from typing import Any

from rest_framework import serializers

from core.fields import LocalDate
from core.parsing.values import shown
from seats.agencies.models import Agency
from seats.roster.models import Agent, Seat, SeatHolding

MOST = 1_000
DEFAULT_AGENCY = "An agency code. Default: the agency of the API key."


class RequestBody(serializers.Serializer[Any]):
    """A request body that refuses unknown fields, which may be misspelled ones."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            raise serializers.ValidationError(
                {min(unknown): ["This field does not exist. Remove it."]}
            )
        return super().to_internal_value(data)


class Unfiltered(serializers.Serializer[Any]):
    """A list without filters."""


def printable(text: str) -> None:
    """Refuse text that cannot be shown on a page. Raises ValidationError."""
    if not text.isprintable():
        raise serializers.ValidationError(
            f"{shown(text)} contains control characters. Use printable characters only."
        )


class AgencyOut(serializers.ModelSerializer[Agency]):
    """An agency with its time zone and upline of today."""

    timezone = serializers.SerializerMethodField()
    upline = serializers.SerializerMethodField()

    class Meta:
        model = Agency
        fields = ["code", "name", "currency", "timezone", "upline"]

    def get_timezone(self, agency: Agency) -> str:
        return str(self.context["zones"][agency.pk])

    def get_upline(self, agency: Agency) -> str | None:
        upline = self.context["uplines"].get(agency.pk)
        return str(upline) if upline else None


class AgentOut(serializers.ModelSerializer[Agent]):
    id = serializers.UUIDField(source="public_id")
    agency = serializers.CharField(source="agency.code")

    class Meta:
        model = Agent
        fields = ["id", "agency", "external_id", "name", "email", "npn"]


class AgentIn(RequestBody):
    """A new agent; `external_id` is the dialer's own id of the agent."""

    agency = serializers.CharField(required=False, help_text=DEFAULT_AGENCY)
    external_id = serializers.CharField(max_length=64, validators=[printable])
    name = serializers.CharField(max_length=200, validators=[printable])
    email = serializers.EmailField(required=False, allow_blank=True)
    npn = serializers.RegexField(r"^[0-9]{0,10}$", required=False, allow_blank=True)


class HoldingOut(serializers.ModelSerializer[SeatHolding]):
    agent = serializers.CharField(source="agent.external_id")

    class Meta:
        model = SeatHolding
        fields = ["agent", "starts_on", "ends_on"]


class SeatOut(serializers.ModelSerializer[Seat]):
    """A seat, its last holder (`agent`), and all its holders by date (`holdings`)."""

    id = serializers.UUIDField(source="public_id")
    agency = serializers.CharField(source="agency.code")
    agent = serializers.CharField(source="agent.external_id")
    holdings = HoldingOut(many=True)

    class Meta:
        model = Seat
        fields = [
            "id", "agency", "agent", "added_on", "removed_on", "cancelled", "holdings"
        ]  # fmt: skip


class SeatIn(RequestBody):
    """A seat to add from a local date of the agency on (default: today)."""

    agency = serializers.CharField(required=False, help_text=DEFAULT_AGENCY)
    agent = serializers.CharField(max_length=64)
    on = LocalDate(required=False)


class RemovalIn(RequestBody):
    on = LocalDate(required=False)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class HandOverIn(RemovalIn):
    agent = serializers.CharField(max_length=64)


class TransferIn(HandOverIn):
    agency = serializers.CharField(max_length=32)


class CancellationIn(RequestBody):
    reason = serializers.CharField(max_length=500)


class ReopeningIn(RequestBody):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class AgentFilter(serializers.Serializer[Any]):
    """The filters of a list of agents."""

    agency = serializers.CharField(required=False)
    agent = serializers.CharField(required=False, max_length=64)


class SeatFilter(AgentFilter):
    """The filters of a list of seats."""

    on = LocalDate(required=False, help_text="Only seats that are held on this date.")
