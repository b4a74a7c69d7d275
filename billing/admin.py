"""All admin pages of the app, imported here because Django looks for them here."""

from billing.accounts.admin import (
    AccountAdmin,
    AccountStandingAdmin,
    PayerShareSetAdmin,
)
from billing.budgets.admin import BudgetAdmin
from billing.dunning.admin import DunningCaseAdmin, DunningHoldAdmin
from billing.invoicing.admin import DocumentAdmin
from billing.invoicing.runs_admin import BillingRunAdmin, RunItemAdmin
from billing.invoicing.verification_admin import (
    VerificationFindingAdmin,
    VerificationRunAdmin,
)
from billing.mail.admin import MailAdmin
from billing.metering.admin import (
    QuarantinedEventAdmin,
    UsageDayAdmin,
    UsageImportAdmin,
)
from billing.payments.admin import LedgerTransactionAdmin, PaymentAdmin
from billing.payments.charging_admin import PaymentAttemptAdmin, PaymentMethodAdmin
from billing.payments.pages_admin import HostedPageAdmin
from billing.payments.processors_admin import (
    PaymentProcessorAdmin,
    ProcessorEventAdmin,
)
from billing.payments.returns_admin import DisputeAdmin, RefundAttemptAdmin
from billing.pricing.admin import MeterAdmin, PriceListAdmin, RateAdmin
from billing.recurring.admin import RecurringJobAdmin
from billing.webhooks.admin import WebhookEndpointAdmin
from billing.webhooks.deliveries_admin import DeliveryAdmin, OutboxEventAdmin

__all__ = [
    "AccountAdmin",
    "AccountStandingAdmin",
    "BillingRunAdmin",
    "BudgetAdmin",
    "DeliveryAdmin",
    "DisputeAdmin",
    "DocumentAdmin",
    "DunningCaseAdmin",
    "DunningHoldAdmin",
    "HostedPageAdmin",
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
