"""The doors of webhooks: endpoints, and the events they were or could be sent."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from billing.webhooks.endpoints import (
    add_endpoint,
    change_endpoint,
    delete_endpoint,
    pause_endpoint,
    resume_endpoint,
    rotate_secret,
    send_test_event,
)
from billing.webhooks.models import OutboxEvent, WebhookEndpoint
from billing.webhooks.replaying import replay_event, replay_range
from billing.webhooks.serializers import (
    EndpointChange,
    EndpointIn,
    EndpointOut,
    EndpointWithSecret,
    Replayed,
    ReplayIn,
    WebhookEventFilter,
    WebhookEventOut,
)
from seats.keys.views import KeyView
from seats.models import Agency
from seats.serializers import Unfiltered

BY_METHOD = {
    "GET": "webhooks:read",
    "POST": "webhooks:write",
    "PATCH": "webhooks:write",
    "DELETE": "webhooks:write",
}


class EndpointsView(KeyView):
    """The endpoints of the agencies within reach, and of the platform for its keys."""

    required_scope = BY_METHOD
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="list_webhook_endpoints",
        summary="Endpoints",
        responses=EndpointOut(many=True),
    )
    def get(self, request: Request) -> Response:
        self.checked(Unfiltered, request.query_params)
        return self.page(endpoints_seen(self), EndpointOut, reached=self.reached)

    @extend_schema(
        operation_id="add_webhook_endpoint",
        summary="Add one; the secret is told this once",
        request=EndpointIn,
        responses={201: EndpointWithSecret},
    )
    def post(self, request: Request) -> Response:
        told = self.checked(EndpointIn, request.data)
        agency = owner_of(self, told.pop("agency", ""))
        endpoint, secret = add_endpoint(
            agency=agency,
            owner=self.key.agency,
            actor=self.actor,
            now=self.now,
            **told,
        )
        shown = EndpointWithSecret(endpoint, context=context_of(self, secret))
        return Response(shown.data, status=201)


class EndpointView(KeyView):
    """One endpoint."""

    required_scope = BY_METHOD
    serializer_class = EndpointOut

    @extend_schema(operation_id="get_webhook_endpoint", summary="One endpoint")
    def get(self, request: Request, public_id: UUID) -> Response:
        endpoint = one_of(endpoints_seen(self), public_id)
        return Response(EndpointOut(endpoint, context=context_of(self)).data)

    @extend_schema(
        operation_id="change_webhook_endpoint",
        summary="Change its address, description or types",
        request=EndpointChange,
        responses=EndpointOut,
    )
    def patch(self, request: Request, public_id: UUID) -> Response:
        told = self.checked(EndpointChange, request.data)
        endpoint = change_endpoint(endpoint=endpoint_of(self, public_id), **told)
        return Response(EndpointOut(endpoint, context=context_of(self)).data)

    @extend_schema(
        operation_id="delete_webhook_endpoint",
        summary="Delete it; what it holds is never sent",
        responses={204: None},
    )
    def delete(self, request: Request, public_id: UUID) -> Response:
        endpoint = one_of(endpoints_seen(self), public_id)
        delete_endpoint(endpoint=endpoint, now=self.now)
        return Response(status=204)


class RotateSecretView(KeyView):
    """A new secret; the one before signs as well for a day."""

    required_scope = "webhooks:write"
    serializer_class = EndpointWithSecret

    @extend_schema(
        operation_id="rotate_webhook_secret",
        summary="A new secret, told this once",
        request=None,
        responses=EndpointWithSecret,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint, secret = rotate_secret(
            endpoint=endpoint_of(self, public_id), now=self.now
        )
        shown = EndpointWithSecret(endpoint, context=context_of(self, secret))
        return Response(shown.data)


class SendTestView(KeyView):
    """An event that says nothing, for this endpoint alone."""

    required_scope = "webhooks:write"
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="test_webhook_endpoint",
        summary="Send a test event within seconds",
        request=None,
        responses={202: EndpointOut},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint = endpoint_of(self, public_id)
        send_test_event(endpoint=endpoint, actor=self.actor, now=self.now)
        return Response(
            EndpointOut(endpoint, context=context_of(self)).data, status=202
        )


class PauseView(KeyView):
    """Hold the events of an endpoint."""

    required_scope = "webhooks:write"
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="pause_webhook_endpoint",
        summary="Hold its events",
        request=None,
        responses=EndpointOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint = pause_endpoint(
            endpoint=endpoint_of(self, public_id), reason=f"by {self.actor}"
        )
        return Response(EndpointOut(endpoint, context=context_of(self)).data)


class ResumeView(KeyView):
    """Send what an endpoint held."""

    required_scope = "webhooks:write"
    serializer_class = EndpointOut

    @extend_schema(
        operation_id="resume_webhook_endpoint",
        summary="Send what it held, in order",
        request=None,
        responses=EndpointOut,
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        endpoint = resume_endpoint(endpoint=endpoint_of(self, public_id), now=self.now)
        return Response(EndpointOut(endpoint, context=context_of(self)).data)


class WebhookEventsView(KeyView):
    """What happened, in the order it was recorded, whoever was told."""

    required_scope = "webhooks:read"
    serializer_class = WebhookEventOut

    @extend_schema(
        operation_id="list_webhook_events",
        summary="Events of an agency, in order",
        parameters=[WebhookEventFilter],
        responses=WebhookEventOut(many=True),
    )
    def get(self, request: Request) -> Response:
        told = self.checked(WebhookEventFilter, request.query_params)
        owner = owner_of(self, told.get("agency", ""))
        rows = OutboxEvent.objects.filter(stream__agency=owner)
        if "type" in told:
            rows = rows.filter(type=told["type"])
        if "since" in told:
            rows = rows.filter(sequence__gte=told["since"])
        return self.page(rows.select_related("stream__agency"), WebhookEventOut)


class ReplayView(KeyView):
    """Tell an endpoint events again."""

    required_scope = "webhooks:write"
    serializer_class = Replayed

    @extend_schema(
        operation_id="replay_webhook_events",
        summary="Tell one event, a range, or everything since a number again",
        request=ReplayIn,
        responses={202: Replayed},
    )
    def post(self, request: Request) -> Response:
        told: dict[str, Any] = self.checked(ReplayIn, request.data)
        endpoint = endpoint_of(self, told["endpoint"])
        if "event" in told:
            count = replay_event(
                endpoint=endpoint, event_id=told["event"], now=self.now
            )
        else:
            code = told.get("agency", "")
            count = replay_range(
                endpoint=endpoint,
                first=told["since"],
                last=told.get("until"),
                agency=self.agency(code) if code else None,
                now=self.now,
            )
        return Response({"count": count}, status=202)


def endpoints_seen(view: KeyView) -> QuerySet[WebhookEndpoint]:
    """Endpoints of agencies within reach, and those that agencies within reach added.

    The latter stay visible to their owner when they have ended. The platform's are for
    its keys only.
    """
    rows = WebhookEndpoint.objects.filter(deleted_at=None)
    rows = rows.select_related("agency", "owner")
    if view.reached is None:
        return rows
    return rows.filter(Q(agency__in=view.reached) | Q(owner__in=view.reached))


def endpoint_of(view: KeyView, public_id: UUID) -> WebhookEndpoint:
    """One to change or to use: its agency and its owner are within reach.

    Raises NotFound.
    """
    rows = view.within(endpoints_seen(view), "agency")
    if view.reached is not None:
        rows = rows.filter(Q(owner=None) | Q(owner__in=view.reached))
    return one_of(rows, public_id)


def one_of(rows: QuerySet[WebhookEndpoint], public_id: UUID) -> WebhookEndpoint:
    """The one with this id. Raises NotFound."""
    endpoint = rows.filter(public_id=public_id).first()
    if endpoint is None:
        raise NotFound
    return endpoint


def context_of(view: KeyView, secret: str = "") -> dict[str, Any]:
    """What decides how an endpoint is shown."""
    return {"reached": view.reached, "secret": secret}


def owner_of(view: KeyView, code: str) -> Agency | None:
    """An agency within reach; without a code the key's own, or the platform.

    Raises NotFound.
    """
    if not code and view.key.agency_id is None:
        return None
    return view.agency(code)
