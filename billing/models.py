"""Table of contents of the tables, for Django."""

from billing.accounts.models import Account, PayerShare, PayerShareSet, Watermark
from billing.invoicing.models import (
    BillingRun,
    Document,
    DocumentLine,
    RunCut,
    RunItem,
    Void,
)
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
from billing.payments.models import (
    Allocation,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    Refund,
)
from billing.pricing.models import Meter, PriceList, Rate, RateTier
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
    "Allocation",
    "ArchivedMonth",
    "BillingRun",
    "Delivery",
    "DeliveryAttempt",
    "Document",
    "DocumentLine",
    "EventKey",
    "FannedOut",
    "ImportPart",
    "LedgerEntry",
    "LedgerTransaction",
    "Meter",
    "OutboxEvent",
    "OutboxStream",
    "PayerShare",
    "PayerShareSet",
    "Payment",
    "PriceList",
    "QuarantinedEvent",
    "Rate",
    "RateTier",
    "Refund",
    "RefusedRow",
    "RunCut",
    "RunItem",
    "UsageDay",
    "UsageEvent",
    "UsageImport",
    "Void",
    "Watermark",
    "WebhookEndpoint",
]
