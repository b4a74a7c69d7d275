"""Serializers of webhook endpoints and events."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.webhooks.domain.catalogue import catalogue, data_of
from billing.webhooks.models import OutboxEvent, WebhookEndpoint
from core.fields import PlainInteger
from seats.roster.api.serializers import DEFAULT_AGENCY, RequestBody, printable

LARGEST_SEQUENCE = 2**53


class EndpointOut(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint without its secret. `agency` null: it gets the events of everybody;
    `owner` null: the platform created it. Keys that do not reach the owner see only the
    host of the URL.
    """

    id = serializers.UUIDField(source="public_id")
    agency = serializers.CharField(source="agency.code", default=None, allow_null=True)
    owner = serializers.CharField(source="owner.code", default=None, allow_null=True)
    url = serializers.SerializerMethodField()
    event_types = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = WebhookEndpoint
        fields = [
            "id", "agency", "owner", "url", "description", "event_types", "state",
            "reason", "failing_since", "previous_until", "created_at",
        ]  # fmt: skip

    def get_url(self, endpoint: WebhookEndpoint) -> str:
        reached = self.context["reached"]
        if endpoint.owner_id is None or reached is None or endpoint.owner_id in reached:
            return endpoint.url
        parts = urlsplit(endpoint.url)
        return f"{parts.scheme}://{parts.hostname}/..."


class EndpointWithSecret(EndpointOut):
    """An endpoint with its signing secret, which is returned only this once."""

    secret = serializers.SerializerMethodField()

    class Meta(EndpointOut.Meta):
        fields = [*EndpointOut.Meta.fields, "secret"]

    def get_secret(self, endpoint: WebhookEndpoint) -> str:
        return str(self.context["secret"])


class EndpointChange(RequestBody):
    """The fields that can be changed. An empty `event_types` subscribes to all types."""

    url = serializers.CharField(max_length=500, required=False)
    description = serializers.CharField(
        max_length=200, required=False, allow_blank=True, validators=[printable]
    )
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        max_length=len(catalogue()),
    )


class EndpointIn(EndpointChange):
    """A new endpoint of the key's own agency, or of one in its downline."""

    url = serializers.CharField(max_length=500)
    agency = serializers.CharField(required=False, help_text=DEFAULT_AGENCY)


class WebhookEventOut(serializers.ModelSerializer[OutboxEvent]):
    """An event in the shape in which it is delivered."""

    id = serializers.UUIDField(source="public_id")
    agency = serializers.CharField(
        source="stream.agency.code", default=None, allow_null=True
    )
    timestamp = serializers.DateTimeField(source="occurred_at")
    version = serializers.SerializerMethodField()
    data = serializers.SerializerMethodField()  # type: ignore[assignment]

    class Meta:
        model = OutboxEvent
        fields = [
            "id", "type", "version", "timestamp", "agency", "sequence", "subject",
            "data",
        ]  # fmt: skip

    def get_version(self, event: OutboxEvent) -> int:
        return catalogue()[event.type].version

    @extend_schema_field({"type": "object"})
    def get_data(self, event: OutboxEvent) -> Any:
        return msgspec.to_builtins(data_of(event.type, event.payload))


class SequenceField(PlainInteger):
    """A sequence number of an event, from 1."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_SEQUENCE, **options)


class WebhookEventFilter(serializers.Serializer[Any]):
    """The filters of a list of events."""

    agency = serializers.CharField(required=False)
    type = serializers.ChoiceField(list(catalogue()), required=False)
    since = SequenceField(required=False, help_text="The first sequence number.")


class ReplayIn(RequestBody):
    """Either a single `event`, or everything from `since` up to `until` (inclusive)."""

    endpoint = serializers.UUIDField()
    event = serializers.UUIDField(required=False)
    since = SequenceField(required=False)
    until = SequenceField(required=False)
    agency = serializers.CharField(
        required=False,
        help_text="Whose sequence numbers are meant, for endpoints of the platform.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("event" in attrs) == ("since" in attrs):
            raise serializers.ValidationError("Send either `event` or `since`.")
        if "event" in attrs and "until" in attrs:
            raise serializers.ValidationError(
                "`until` ends a range that starts with `since`. Remove it, or send"
                " `since` instead of `event`."
            )
        return attrs


class Replayed(serializers.Serializer[Any]):
    """How many events are queued to be sent again."""

    count = serializers.IntegerField()
