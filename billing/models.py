"""Table of contents of the tables, for Django."""

from billing.accounts.models import (
    AccountStanding,
    BillingAccount,
    PayerShare,
    PayerShareSet,
    Watermark,
)
from billing.budgets.models import Budget, BudgetAlert, BudgetMonth
from billing.collection.models.approvals import RefundApproval
from billing.collection.models.attempts import AttemptChange, PaymentAttempt
from billing.collection.models.checkout import CheckoutPage, ProcessorCustomer
from billing.collection.models.disputes import Dispute, DisputeChange
from billing.collection.models.inbound_events import ProcessorEvent
from billing.collection.models.methods import PaymentMethod
from billing.collection.models.refunds import RefundAttempt, RefundAttemptChange
from billing.dunning.models import DunningCase, DunningHold, DunningStep
from billing.invoicing.models.documents import Document, DocumentLine, Void
from billing.invoicing.models.runs import BillingRun, RunCut, RunItem
from billing.invoicing.models.verification import VerificationFinding, VerificationRun
from billing.ledger.models import LedgerEntry, LedgerTransaction
from billing.mail.models import Mail
from billing.metering.models import (
    ArchivedMonth,
    ConversationLeg,
    EventKey,
    ImportPart,
    QuarantinedEvent,
    RejectedRow,
    UsageDay,
    UsageEvent,
    UsageImport,
)
from billing.metering.models.dial_plans import DialPlan
from billing.pricing.models import Meter, PriceList, Rate, RateTier
from billing.processors.models import PaymentProcessor
from billing.receivables.models import Allocation, Payment, Refund
from billing.recurring.models import Pulse, RecurringJob
from billing.rendering.models import DocumentFile
from billing.webhooks.models import (
    Delivery,
    DeliveryAttempt,
    FannedOut,
    OutboxEvent,
    OutboxStream,
    WebhookEndpoint,
)
from core.audit import History, history_as

__all__ = [
    "AccountStanding",
    "Allocation",
    "ArchivedMonth",
    "AttemptChange",
    "BillingAccount",
    "BillingRun",
    "Budget",
    "BudgetAlert",
    "BudgetMonth",
    "CheckoutPage",
    "ConversationLeg",
    "Delivery",
    "DeliveryAttempt",
    "DialPlan",
    "Dispute",
    "DisputeChange",
    "Document",
    "DocumentFile",
    "DocumentLine",
    "DunningCase",
    "DunningHold",
    "DunningStep",
    "EventKey",
    "FannedOut",
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
    "Pulse",
    "QuarantinedEvent",
    "Rate",
    "RateTier",
    "RecurringJob",
    "Refund",
    "RefundApproval",
    "RefundAttempt",
    "RefundAttemptChange",
    "RejectedRow",
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

# Models whose changes need no record of their own; the others are marked `audited`.
history_as(
    History.DERIVED,
    BudgetAlert,
    BudgetMonth,
    Dispute,
    DocumentLine,
    DunningCase,
    PaymentAttempt,
    RefundAttempt,
    UsageDay,
)
history_as(
    History.FACT,
    Allocation,
    AttemptChange,
    DisputeChange,
    DunningStep,
    LedgerEntry,
    LedgerTransaction,
    OutboxEvent,
    RefundAttemptChange,
    RunCut,
    UsageEvent,
    Void,
)
history_as(
    History.QUEUE,
    ArchivedMonth,
    CheckoutPage,
    ConversationLeg,
    Delivery,
    DeliveryAttempt,
    DocumentFile,
    EventKey,
    FannedOut,
    ImportPart,
    Mail,
    OutboxStream,
    ProcessorCustomer,
    ProcessorEvent,
    Pulse,
    QuarantinedEvent,
    RecurringJob,
    RejectedRow,
    RunItem,
    UsageImport,
    VerificationFinding,
    VerificationRun,
    Watermark,
)
