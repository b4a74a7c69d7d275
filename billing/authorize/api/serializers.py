"""The response to a dialer, as the API documentation describes it."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from billing.authorize.domain.decision import REASONS


@extend_schema_serializer(many=False)
class VerdictOut(serializers.Serializer[Any]):
    """`checked` is false if the database could not be reached."""

    allowed = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.ChoiceField(REASONS))
    seat = serializers.UUIDField(
        allow_null=True, help_text="The seat that the agent holds today."
    )
    budget = serializers.UUIDField(
        allow_null=True, help_text="The first hard budget that is used up."
    )
    checked = serializers.BooleanField()
