"""Table of contents of the API's billing routes, below /api/v1/."""

from django.urls import path

from billing.authorize.api.views import AuthorizeView
from billing.budgets.api.views import BudgetsView, BudgetView
from billing.collection.api.charges import (
    AttemptsView,
    PaymentMethodsView,
    PaymentMethodView,
    PaymentPageView,
)
from billing.collection.api.inbound_events import ProcessorWebhookView
from billing.collection.api.refunds import RefundsView
from billing.dunning.api.views import DunningView
from billing.invoicing.api.documents import (
    InvoiceContentView,
    InvoiceLinesView,
    InvoicesView,
    InvoiceView,
    NextInvoicesView,
)
from billing.invoicing.api.usage import (
    ForecastView,
    LineCallsView,
    LineSeatsView,
    RoundingView,
)
from billing.metering.api.dial_plans import DialPlanView
from billing.metering.api.views import UsageEventsView, UsageView
from billing.pricing.api.views import PriceListView, QuoteView
from billing.receivables.api.views import PaymentsView, StatementView
from billing.rendering.api.views import InvoicePdfView
from billing.webhooks.api.views import (
    EndpointsView,
    EndpointView,
    PauseView,
    ReplayView,
    ResumeView,
    RotateSecretView,
    SendTestView,
    WebhookEventsView,
)

urlpatterns = [
    path("authorize", AuthorizeView.as_view()),  # first: asked before each call
    path("usage", UsageView.as_view()),
    path("usage/rounding", RoundingView.as_view()),
    path("usage/forecast", ForecastView.as_view()),
    path("dial-plan", DialPlanView.as_view()),
    path("usage-events", UsageEventsView.as_view()),
    path("invoices", InvoicesView.as_view()),
    path("invoices/preview", NextInvoicesView.as_view()),
    path("invoices/<uuid:public_id>", InvoiceView.as_view()),
    path("invoices/<uuid:public_id>/content", InvoiceContentView.as_view()),
    path("invoices/<uuid:public_id>/pdf", InvoicePdfView.as_view()),
    path("invoices/<uuid:public_id>/lines", InvoiceLinesView.as_view()),
    path(
        "invoices/<uuid:public_id>/lines/<int:position>/calls", LineCallsView.as_view()
    ),
    path(
        "invoices/<uuid:public_id>/lines/<int:position>/seats", LineSeatsView.as_view()
    ),
    path("invoices/<uuid:public_id>/payment-page", PaymentPageView.as_view()),
    path("payments", PaymentsView.as_view()),
    path("payments/<uuid:public_id>/refunds", RefundsView.as_view()),
    path("payment-attempts", AttemptsView.as_view()),
    path("payment-methods", PaymentMethodsView.as_view()),
    path("payment-methods/<uuid:public_id>", PaymentMethodView.as_view()),
    path("processors/<slug:code>/webhook", ProcessorWebhookView.as_view()),
    path("statement", StatementView.as_view()),
    path("dunning", DunningView.as_view()),
    path("budgets", BudgetsView.as_view()),
    path("budgets/<uuid:public_id>", BudgetView.as_view()),
    path("price-list", PriceListView.as_view()),
    path("quote", QuoteView.as_view()),
    path("webhook-endpoints", EndpointsView.as_view()),
    path("webhook-endpoints/<uuid:public_id>", EndpointView.as_view()),
    path(
        "webhook-endpoints/<uuid:public_id>/rotate-secret", RotateSecretView.as_view()
    ),
    path("webhook-endpoints/<uuid:public_id>/test", SendTestView.as_view()),
    path("webhook-endpoints/<uuid:public_id>/pause", PauseView.as_view()),
    path("webhook-endpoints/<uuid:public_id>/resume", ResumeView.as_view()),
    path("webhook-events", WebhookEventsView.as_view()),
    path("webhook-events/replay", ReplayView.as_view()),
]
