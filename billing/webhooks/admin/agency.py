"""The pages of webhook endpoints and deliveries, for members of agencies.

Signing secrets are shown once, when an endpoint is added or its secret rotated.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.webhooks.admin.deliveries import DeliveryAdmin
from billing.webhooks.admin.endpoints import WebhookEndpointAdmin, show_secret
from billing.webhooks.domain.catalogue import catalogue
from billing.webhooks.models import Delivery, DeliveryAttempt, WebhookEndpoint
from billing.webhooks.services.endpoints import add_endpoint
from core.admin.member_actions import for_members
from core.admin.readonly import AddingForm
from core.admin.scoped import (
    ScopedAdmin,
    ScopedFilter,
    ScopedInline,
    agency_page,
)
from seats.access.domain import Action
from seats.api_keys.admin.owners_page import OwnersPage
from seats.roster.admin.forms import plain_form

CHANGE = Action.CHANGE_INTEGRATIONS


class OwnEndpointForm(AddingForm):
    """A new endpoint; the page shows its secret once, after it is saved."""

    event_types = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="The events to be sent. Choose none for all of them.",
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["agency", "url", "description"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types = [
            (name, f"{name}: {kind.description}") for name, kind in catalogue().items()
        ]
        self.fields["event_types"].choices = types  # type: ignore[attr-defined]

    def add(self, cleaned: dict[str, Any]) -> WebhookEndpoint:
        endpoint, self.secret = add_endpoint(
            **cleaned, owner=cleaned["agency"], actor=self.actor, now=timezone.now()
        )
        return endpoint


@agency_page(WebhookEndpoint)
class WebhookEndpointPage(OwnersPage):
    """Endpoints of the agency; not those that an agency above it added for itself."""

    menu = ("Integrations", "Webhooks")
    agency_path = "agency"
    owner_path = "owner"
    list_display = ["url", "agency", "state", "reason", "failing_since"]
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter), "state"]
    search_fields = ["url", "description"]
    fields = [
        "agency", "url", "description", "event_types", "state", "reason",
        "failing_since", "created_at", "deleted_at",
    ]  # fmt: skip
    adding_form = OwnEndpointForm
    adding_fields = ["agency", "url", "description", "event_types"]
    actions = [
        "send_test", "pause", "resume", "replay", "rotate", "delete_for_ever",
    ]  # fmt: skip

    _staff = WebhookEndpointAdmin
    send_test = for_members(_staff.send_test, permission=CHANGE, form=plain_form)
    pause = for_members(_staff.pause, permission=CHANGE, form=plain_form)
    resume = for_members(_staff.resume, permission=CHANGE, form=plain_form)
    replay = for_members(_staff.replay, permission=CHANGE)
    rotate = for_members(_staff.rotate, permission=CHANGE, form=plain_form)
    delete_for_ever = for_members(_staff.delete_for_ever, permission=CHANGE)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Show the secret of the endpoint that the form has saved."""
        show_secret(self, request, obj, form.secret)


class AttemptInline(ScopedInline):
    """The requests that were made for a delivery, with what was answered."""

    model = DeliveryAttempt
    agency_path = "delivery__endpoint__agency"
    owner_path = "delivery__endpoint__owner"
    view = Action.VIEW_INTEGRATIONS
    verbose_name_plural = "attempts"
    fields = ("number", "made_at", "http_status", "latency_ms", "error")


@agency_page(Delivery)
class DeliveryPage(ScopedAdmin):
    """What was sent to the endpoints, what waits, and what was given up."""

    menu = ("Integrations", "Deliveries")
    agency_path = "endpoint__agency"
    owner_path = "endpoint__owner"
    view = Action.VIEW_INTEGRATIONS
    list_display = [
        "event_type", "number", "endpoint", "state", "attempts", "next_attempt_at",
        "settled_at",
    ]  # fmt: skip
    list_select_related = ["event", "endpoint__agency"]
    list_filter = [("endpoint", ScopedFilter), "state"]
    search_fields = ["endpoint__url", "event__type"]
    fields = [
        "event_type", "number", "endpoint", "state", "attempts", "next_attempt_at",
        "settled_at", "last_error",
    ]  # fmt: skip
    readonly_fields = ["event_type", "number"]
    inlines = [AttemptInline]
    actions = ["replay"]

    replay = for_members(DeliveryAdmin.replay, permission=CHANGE, form=plain_form)

    @admin.display(description="event", ordering="event__type")
    def event_type(self, delivery: Delivery) -> str:
        return delivery.event.type

    @admin.display(description="sequence number", ordering="event__sequence")
    def number(self, delivery: Delivery) -> int:
        return delivery.event.sequence

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        deliveries: QuerySet[Delivery] = super().get_queryset(request)
        return deliveries.select_related("event", "endpoint")
