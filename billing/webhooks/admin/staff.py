"""The pages that this room offers to platform staff."""

from billing.webhooks.admin.deliveries import DeliveryAdmin, OutboxEventAdmin
from billing.webhooks.admin.endpoints import WebhookEndpointAdmin

__all__ = [
    "DeliveryAdmin",
    "OutboxEventAdmin",
    "WebhookEndpointAdmin",
]
