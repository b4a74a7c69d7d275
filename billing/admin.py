"""Table of contents of the admin, for Django."""

from billing.accounts.admin import (
    AccountAdmin,
    AccountStandingAdmin,
    PayerShareSetAdmin,
)
from billing.budgets.admin import BudgetAdmin
from billing.invoicing.admin import BillingRunAdmin, DocumentAdmin, RunItemAdmin
from billing.mail.admin import MailAdmin
from billing.metering.admin import (
    QuarantinedEventAdmin,
    UsageDayAdmin,
    UsageImportAdmin,
)
from billing.pricing.admin import MeterAdmin, PriceListAdmin, RateAdmin
from billing.webhooks.admin import OutboxEventAdmin

__all__ = [
    "AccountAdmin",
    "AccountStandingAdmin",
    "BillingRunAdmin",
    "BudgetAdmin",
    "DocumentAdmin",
    "MailAdmin",
    "MeterAdmin",
    "OutboxEventAdmin",
    "PayerShareSetAdmin",
    "PriceListAdmin",
    "QuarantinedEventAdmin",
    "RateAdmin",
    "RunItemAdmin",
    "UsageDayAdmin",
    "UsageImportAdmin",
]
