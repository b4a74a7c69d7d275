"""Admin page of recurring jobs."""

from django.contrib import admin

from billing.recurring.models import RecurringJob
from core.admin.readonly import ReadOnlyAdmin


@admin.register(RecurringJob)
class RecurringJobAdmin(ReadOnlyAdmin):
    """Periodic jobs: when each ran last, its last error, and when it is due."""

    menu = ("Health", "Recurring jobs")
    list_display = ["name", "next_run_at", "last_finished_at", "last_error"]
