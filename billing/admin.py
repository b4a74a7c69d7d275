"""All admin pages of the app, imported here because Django looks for them here."""

from billing.accounts.admin.staff import (
    AccountStandingAdmin,
    BillingAccountAdmin,
    PayerShareSetAdmin,
)
from billing.budgets.admin.staff import BudgetAdmin
from billing.collection.admin.charges import PaymentAttemptAdmin, PaymentMethodAdmin
from billing.collection.admin.checkout import CheckoutPageAdmin
from billing.collection.admin.inbound_events import ProcessorEventAdmin
from billing.collection.admin.payments import PaymentAdmin
from billing.collection.admin.refunds import DisputeAdmin, RefundAttemptAdmin
from billing.dunning.admin.staff import DunningCaseAdmin, DunningHoldAdmin
from billing.invoicing.admin.documents import DocumentAdmin
from billing.invoicing.admin.runs import BillingRunAdmin, RunItemAdmin
from billing.invoicing.admin.verification import (
    VerificationFindingAdmin,
    VerificationRunAdmin,
)
from billing.ledger.admin.staff import LedgerTransactionAdmin
from billing.mail.admin.staff import MailAdmin
from billing.metering.admin.staff import (
    ConversationLegAdmin,
    QuarantinedEventAdmin,
    UsageDayAdmin,
    UsageImportAdmin,
)
from billing.pricing.admin.staff import MeterAdmin, PriceListAdmin, RateAdmin
from billing.processors.admin.staff import PaymentProcessorAdmin
from billing.recurring.admin.staff import RecurringJobAdmin
from billing.webhooks.admin.deliveries import DeliveryAdmin, OutboxEventAdmin
from billing.webhooks.admin.endpoints import WebhookEndpointAdmin

__all__ = [
    "AccountStandingAdmin",
    "BillingAccountAdmin",
    "BillingRunAdmin",
    "BudgetAdmin",
    "CheckoutPageAdmin",
    "ConversationLegAdmin",
    "DeliveryAdmin",
    "DisputeAdmin",
    "DocumentAdmin",
    "DunningCaseAdmin",
    "DunningHoldAdmin",
    "LedgerTransactionAdmin",
    "MailAdmin",
    "MeterAdmin",
    "OutboxEventAdmin",
    "PayerShareSetAdmin",
    "PaymentAdmin",
    "PaymentAttemptAdmin",
    "PaymentMethodAdmin",
    "PaymentProcessorAdmin",
    "PriceListAdmin",
    "ProcessorEventAdmin",
    "QuarantinedEventAdmin",
    "RateAdmin",
    "RecurringJobAdmin",
    "RefundAttemptAdmin",
    "RunItemAdmin",
    "UsageDayAdmin",
    "UsageImportAdmin",
    "VerificationFindingAdmin",
    "VerificationRunAdmin",
    "WebhookEndpointAdmin",
]
