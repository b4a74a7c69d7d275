"""The site of platform staff, `/admin/`. Its pages ask for permissions of Django."""

from typing import Any

from django.http import HttpRequest
from django.shortcuts import redirect

from config.admin.sites import Site
from core.admin.today import TODAY

MENU = [
    ("Today", ["What waits"]),
    (
        "Agencies",
        [
            "Agencies",
            "Agents",
            "Seats",
            "Billing details",
            "Payer shares",
            "Suspensions",
            "Budgets",
        ],
    ),
    ("Billing runs", ["Plan", "Runs", "Payers of runs"]),
    ("Documents", ["Invoices and credit notes", "Mails"]),
    (
        "Payments",
        [
            "Payments",
            "Charges",
            "Checkout pages",
            "Payment methods",
            "Dunning cases",
            "Pauses of dunning",
            "Processor events",
            "Ledger",
        ],
    ),
    ("Disputes and refunds", ["Refund requests", "Refunds", "Disputes"]),
    (
        "Usage imports and quarantine",
        ["Imported files", "Quarantine", "Usage by day", "Call legs", "Dial plans"],
    ),
    ("Price lists", ["Price lists", "Rates", "Meters"]),
    ("Webhooks", ["Endpoints", "Deliveries", "Events"]),
    (
        "Health",
        [
            "Servers and queues",
            "Recurring jobs",
            "Findings of verification",
            "Verification passes",
        ],
    ),
    (
        "People and rights",
        [
            "Users",
            "Members",
            "Invitations",
            "Jobs",
            "API keys",
            "Actions of staff",
            "Activity",
            "Acting as members",
            "Support access",
        ],
    ),
    ("Settings", ["Payment processors"]),
]


class StaffSite(Site):
    """The site of platform staff; its navigation is by what they do."""

    settings_name = "STAFF_SITE"
    menu = MENU

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        return TODAY.respond(self, request)

    def app_index(
        self,
        request: HttpRequest,
        app_label: str,
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Today: the navigation knows no apps, but trails of pages lead here."""
        return redirect("admin:index")
