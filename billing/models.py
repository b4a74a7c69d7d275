"""Table of contents of the tables, for Django."""

from billing.accounts.models import (
    Account,
    AccountStanding,
    PayerShare,
    PayerShareSet,
    Watermark,
)
from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from billing.invoicing.models import (
    BillingRun,
    Document,
    DocumentLine,
    RunCut,
    RunItem,
    Void,
)
from billing.mail.models import Mail
from billing.metering.models import (
    ArchivedMonth,
    EventKey,
    ImportPart,
    QuarantinedEvent,
    RefusedRow,
    UsageDay,
    UsageEvent,
    UsageImport,
)
from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.webhooks.models import OutboxEvent, OutboxStream

__all__ = [
    "Account",
    "AccountStanding",
    "ArchivedMonth",
    "BillingRun",
    "Budget",
    "BudgetAlert",
    "BudgetMonth",
    "Document",
    "DocumentLine",
    "EventKey",
    "ImportPart",
    "Mail",
    "Meter",
    "OutboxEvent",
    "OutboxStream",
    "PayerShare",
    "PayerShareSet",
    "PriceList",
    "QuarantinedEvent",
    "Rate",
    "RateTier",
    "RefusedRow",
    "RunCut",
    "RunItem",
    "UsageDay",
    "UsageEvent",
    "UsageImport",
    "Void",
    "Watermark",
]
