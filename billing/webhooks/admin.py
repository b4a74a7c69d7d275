"""What the world will be told, for staff."""

from django.contrib import admin

from billing.webhooks.models import OutboxEvent
from seats.readonly import ReadOnlyAdmin


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin):
    list_display = ["stream", "sequence", "type", "subject", "occurred_at"]
    list_select_related = ["stream__agency"]
    list_filter = ["type"]
    search_fields = ["subject", "stream__agency__code"]
