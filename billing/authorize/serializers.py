"""The answer to a dialer, as it is described."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from billing.authorize.verdicts import REASONS


@extend_schema_serializer(many=False)
class VerdictOut(serializers.Serializer[Any]):
    """`checked` is false where the database could not be asked."""

    allowed = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.ChoiceField(REASONS))
    seat = serializers.UUIDField(allow_null=True, help_text="Held today.")
    budget = serializers.UUIDField(
        allow_null=True, help_text="The first hard one that is used up."
    )
    checked = serializers.BooleanField()
