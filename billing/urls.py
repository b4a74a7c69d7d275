"""Table of contents of the API, below /api/v1/."""

from django.urls import path

from billing.invoicing.views import NextInvoicesView
from billing.metering.views import UsageEventsView

urlpatterns = [
    path("usage-events", UsageEventsView.as_view()),
    path("invoices/preview", NextInvoicesView.as_view()),
]
