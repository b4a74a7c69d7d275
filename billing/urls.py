"""Table of contents of the API's billing routes, below /api/v1/."""

from django.urls import path

from billing.authorize.views import AuthorizeView
from billing.budgets.views import BudgetsView, BudgetView
from billing.invoicing.usage_views import (
    ForecastView,
    LineCallsView,
    LineSeatsView,
    RoundingView,
)
from billing.invoicing.views import (
    InvoiceLinesView,
    InvoicesView,
    InvoiceView,
    NextInvoicesView,
)
from billing.metering.views import UsageEventsView, UsageView
from billing.pricing.views import PriceListView, QuoteView

urlpatterns = [
    path("usage", UsageView.as_view()),
    path("usage/rounding", RoundingView.as_view()),
    path("usage/forecast", ForecastView.as_view()),
    path("usage-events", UsageEventsView.as_view()),
    path("invoices", InvoicesView.as_view()),
    path("invoices/preview", NextInvoicesView.as_view()),
    path("invoices/<uuid:public_id>", InvoiceView.as_view()),
    path("invoices/<uuid:public_id>/lines", InvoiceLinesView.as_view()),
    path(
        "invoices/<uuid:public_id>/lines/<int:position>/calls", LineCallsView.as_view()
    ),
    path(
        "invoices/<uuid:public_id>/lines/<int:position>/seats", LineSeatsView.as_view()
    ),
    path("authorize", AuthorizeView.as_view()),
    path("budgets", BudgetsView.as_view()),
    path("budgets/<uuid:public_id>", BudgetView.as_view()),
    path("price-list", PriceListView.as_view()),
    path("quote", QuoteView.as_view()),
]
