"""Table of contents of the tables, for Django."""

from billing.accounts.models import (
    Account,
    AccountStanding,
    PayerShare,
    PayerShareSet,
    Watermark,
)
from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from billing.dunning.models import DunningCase, DunningHold, DunningStep
from billing.invoicing.integrity import VerificationFinding, VerificationRun
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
from billing.payments.hosting import HostedPage, ProcessorCustomer
from billing.payments.ledger import LedgerEntry, LedgerTransaction
from billing.payments.models import (
    Allocation,
    AttemptChange,
    Payment,
    PaymentAttempt,
    PaymentMethod,
    PaymentProcessor,
    ProcessorEvent,
    Refund,
)
from billing.payments.returns import (
    Dispute,
    DisputeChange,
    RefundAttempt,
    RefundAttemptChange,
)
from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.recurring.models import RecurringJob
from billing.webhooks.models import (
    Delivery,
    DeliveryAttempt,
    FannedOut,
    OutboxEvent,
    OutboxStream,
    WebhookEndpoint,
)

__all__ = [
    "Account",
    "AccountStanding",
    "Allocation",
    "ArchivedMonth",
    "AttemptChange",
    "BillingRun",
    "Budget",
    "BudgetAlert",
    "BudgetMonth",
    "Delivery",
    "DeliveryAttempt",
    "Dispute",
    "DisputeChange",
    "Document",
    "DocumentLine",
    "DunningCase",
    "DunningHold",
    "DunningStep",
    "EventKey",
    "FannedOut",
    "HostedPage",
    "ImportPart",
    "LedgerEntry",
    "LedgerTransaction",
    "Mail",
    "Meter",
    "OutboxEvent",
    "OutboxStream",
    "PayerShare",
    "PayerShareSet",
    "Payment",
    "PaymentAttempt",
    "PaymentMethod",
    "PaymentProcessor",
    "PriceList",
    "ProcessorCustomer",
    "ProcessorEvent",
    "QuarantinedEvent",
    "Rate",
    "RateTier",
    "RecurringJob",
    "Refund",
    "RefundAttempt",
    "RefundAttemptChange",
    "RefusedRow",
    "RunCut",
    "RunItem",
    "UsageDay",
    "UsageEvent",
    "UsageImport",
    "VerificationFinding",
    "VerificationRun",
    "Void",
    "Watermark",
    "WebhookEndpoint",
]
