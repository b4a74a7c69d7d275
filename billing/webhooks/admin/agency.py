"""The page of webhook endpoints, for members of agencies; without secrets."""

from billing.webhooks.models import WebhookEndpoint
from core.admin.scoped import ScopedAdmin, ScopedFilter, agency_page
from seats.access.domain import Action


@agency_page(WebhookEndpoint)
class WebhookEndpointPage(ScopedAdmin):
    """Endpoints of the agency; not those that an agency above it added for itself."""

    menu = ("Integrations", "Webhooks")
    agency_path = "agency"
    owner_path = "owner"
    view = Action.VIEW_INTEGRATIONS
    list_display = ["url", "agency", "state", "reason", "failing_since"]
    list_select_related = ["agency"]
    list_filter = [("agency", ScopedFilter), "state"]
    search_fields = ["url", "description"]
    fields = [
        "agency", "url", "description", "event_types", "state", "reason",
        "failing_since", "created_at", "deleted_at",
    ]  # fmt: skip
