"""API views of webhook endpoints and events."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.webhooks.api.serializers import (
    EndpointChange,
    EndpointIn,
    EndpointOut,
    EndpointWithSecret,
    Replayed,
    ReplayIn,
    WebhookEventFilter,
    WebhookEventOut,
)
from billing.webhooks.domain.scopes import WebhookScope
from billing.webhooks.models import OutboxEvent, WebhookEndpoint
from billing.webhooks.services.endpoints import (
    add_endpoint,
    change_endpoint,
    delete_endpoint,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
    send_test_event,
)
from billing.webhooks.services.replay import replay_event, replay_range
from core.errors import NotFound
from seats.api_keys.api.views import KeyView
from seats.models import Agency
from seats.roster.api.serializers import Unfiltered

BY_METHOD = {
    "GET": WebhookScope.READ,
    "POST": WebhookScope.WRITE,
    "PATCH": WebhookScope.WRITE,
    "DELETE": WebhookScope.WRITE,
}


class EndpointsView(KeyView):
    """Webhook endpoints of the agencies that the key reaches.

    Keys of the platform also see the platform's own endpoints.
    """

    required_scope = BY_METHOD
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="List webhook endpoints",
        responses=EndpointOut(many=True),
    )
    def get(self, request: Request) -> Response:
        self.checked(Unfiltered, request.query_params)
        return self.page(visible_endpoints(self), EndpointOut, reached=self.reached)

    @extend_schema(
        operation_id="add_webhook_endpoint",
        summary="Create a webhook endpoint; its secret is returned only once",
        request=EndpointIn,
        responses={201: EndpointWithSecret},
    )
    def post(self, request: Request) -> Response:
        payload = self.checked(EndpointIn, request.data)
        agency = stream_agency(self, payload.pop("agency", ""))
        endpoint, secret = add_endpoint(
            agency=agency,
            owner=self.key.agency,
            actor=self.actor,
            now=self.now,
            **payload,
        )
        shown = EndpointWithSecret(endpoint, context=endpoint_context(self, secret))
        return Response(shown.data, status=201)


class EndpointView(KeyView):
    """A webhook endpoint."""

    required_scope = BY_METHOD
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="get_webhook_endpoint", summary="Retrieve a webhook endpoint"
    )
    def get(self, request: Request, public_id: UUID) -> Response:
        endpoint = get_endpoint(visible_endpoints(self), public_id)
        return Response(EndpointOut(endpoint, context=endpoint_context(self)).data)

    @extend_schema(
        operation_id="change_webhook_endpoint",
        summary="Update the URL, description or event types of a webhook endpoint",
        request=EndpointChange,
        responses=EndpointOut,
    )
    def patch(self, request: Request, public_id: UUID) -> Response:
        changes = self.checked(EndpointChange, request.data)
        endpoint = usable_endpoint(self, public_id)
        endpoint = change_endpoint(endpoint=endpoint, **changes)
        return Response(EndpointOut(endpoint, context=endpoint_context(self)).data)

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        summary="Delete a webhook endpoint; the events it holds are never sent",
        responses={204: None},
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        endpoint = get_endpoint(visible_endpoints(self), public_id)
        delete_endpoint(endpoint=endpoint, now=self.now)
        return Response(status=204)


class RotateSecretView(KeyView):
    """Rotate the signing secret; the previous one also signs for a day."""

    required_scope = WebhookScope.WRITE
    serializer_class = EndpointWithSecret

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="Rotate the signing secret; the new one is returned only once",
        request=None,
        responses=EndpointWithSecret,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint, secret = rotate_secret(
            endpoint=usable_endpoint(self, public_id), now=self.now
        )
        shown = EndpointWithSecret(endpoint, context=endpoint_context(self, secret))
        return Response(shown.data)


class SendTestView(KeyView):
    """Send a test event to a webhook endpoint."""

    required_scope = WebhookScope.WRITE
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="test_webhook_endpoint",
        summary="Send a test event within seconds",
        request=None,
        responses={202: EndpointOut},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint = usable_endpoint(self, public_id)
        send_test_event(endpoint=endpoint, actor=self.actor, now=self.now)
        return Response(
            EndpointOut(endpoint, context=endpoint_context(self)).data, status=202
        )


class PauseView(KeyView):
    """Pause a webhook endpoint: it holds its events until it is resumed."""

    required_scope = WebhookScope.WRITE
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="pause_webhook_endpoint",
        summary="Pause a webhook endpoint; it holds its events",
        request=None,
        responses=EndpointOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint = pause_endpoint(
            endpoint=usable_endpoint(self, public_id), reason=f"Paused by {self.actor}."
        )
        return Response(EndpointOut(endpoint, context=endpoint_context(self)).data)


class ResumeView(KeyView):
    """Resume a webhook endpoint and send the events it held."""

    required_scope = WebhookScope.WRITE
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="resume_webhook_endpoint",
        summary="Resume a webhook endpoint; held events are sent in order",
        request=None,
        responses=EndpointOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint = resume_endpoint(
            endpoint=usable_endpoint(self, public_id), now=self.now
        )
        return Response(EndpointOut(endpoint, context=endpoint_context(self)).data)


class WebhookEventsView(KeyView):
    """Events of an agency or of the platform, whether or not an endpoint gets them."""

    required_scope = WebhookScope.READ
    serializer_class = WebhookEventOut

    @extend_schema(
        operation_id="list_webhook_events",
        summary="List the events of an agency in order",
        parameters=[WebhookEventFilter],
        responses=WebhookEventOut(many=True),
    )
    def get(self, request: Request) -> Response:
        filters = self.checked(WebhookEventFilter, request.query_params)
        agency = stream_agency(self, filters.get("agency", ""))
        rows = OutboxEvent.objects.filter(stream__agency=agency)
        if "type" in filters:
            rows = rows.filter(type=filters["type"])
        if "since" in filters:
            rows = rows.filter(sequence__gte=filters["since"])
        return self.page(rows.select_related("stream__agency"), WebhookEventOut)


class ReplayView(KeyView):
    """Send events to a webhook endpoint again, with the same event ids."""

    required_scope = WebhookScope.WRITE
    serializer_class = Replayed

    @extend_schema(
        operation_id="replay_webhook_events",
        summary="Replay an event, a range, or everything since a sequence number",
        request=ReplayIn,
        responses={202: Replayed},
    )
    def post(self, request: Request) -> Response:
        payload: dict[str, Any] = self.checked(ReplayIn, request.data)
        endpoint = usable_endpoint(self, payload["endpoint"])
        if "event" in payload:
            count = replay_event(
                endpoint=endpoint, event_id=payload["event"], now=self.now
            )
        else:
            code = payload.get("agency", "")
            count = replay_range(
                endpoint=endpoint,
                first=payload["since"],
                last=payload.get("until"),
                agency=self.agency(code) if code else None,
                now=self.now,
            )
        return Response({"count": count}, status=202)


def visible_endpoints(view: KeyView) -> QuerySet[WebhookEndpoint]:
    """Endpoints of, or created by, the agencies that the key reaches.

    The latter stay visible to their owner after they have ended. Endpoints of the
    platform are visible to its keys only.
    """
    rows = WebhookEndpoint.objects.filter(deleted_at=None)
    rows = rows.select_related("agency", "owner")
    if view.reached is None:
        return rows
    return rows.filter(Q(agency__in=view.reached) | Q(owner__in=view.reached))


def usable_endpoint(view: KeyView, public_id: UUID) -> WebhookEndpoint:
    """An endpoint that the key may change: it reaches its agency and its owner.

    Raises NotFound.
    """
    rows = view.within(visible_endpoints(view), "agency")
    if view.reached is not None:
        rows = rows.filter(Q(owner=None) | Q(owner__in=view.reached))
    return get_endpoint(rows, public_id)


def get_endpoint(rows: QuerySet[WebhookEndpoint], public_id: UUID) -> WebhookEndpoint:
    """The endpoint with this public id. Raises NotFound."""
    endpoint = rows.filter(public_id=public_id).first()
    if endpoint is None:
        raise NotFound
    return endpoint


def endpoint_context(view: KeyView, secret: str = "") -> dict[str, Any]:
    """The context that the endpoint serializers need."""
    return {"reached": view.reached, "secret": secret}


def stream_agency(view: KeyView, code: str) -> Agency | None:
    """The agency with this code, which the key must reach. Raises NotFound.

    Without a code: the key's own agency, or None (the platform) for a platform key.
    """
    if not code and view.key.agency_id is None:
        return None
    return view.agency(code)
