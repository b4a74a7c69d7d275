"""The pages that this room offers to platform staff."""

from billing.collection.admin.charges import PaymentAttemptAdmin, PaymentMethodAdmin
from billing.collection.admin.checkout import CheckoutPageAdmin
from billing.collection.admin.inbound_events import ProcessorEventAdmin
from billing.collection.admin.payments import PaymentAdmin
from billing.collection.admin.refunds import DisputeAdmin, RefundAttemptAdmin

__all__ = [
    "CheckoutPageAdmin",
    "DisputeAdmin",
    "PaymentAdmin",
    "PaymentAttemptAdmin",
    "PaymentMethodAdmin",
    "ProcessorEventAdmin",
    "RefundAttemptAdmin",
]
