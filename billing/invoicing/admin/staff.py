"""The pages that this room offers to platform staff."""

from billing.invoicing.admin.documents import DocumentAdmin
from billing.invoicing.admin.runs import BillingRunAdmin, RunItemAdmin
from billing.invoicing.admin.verification import (
    VerificationFindingAdmin,
    VerificationRunAdmin,
)

__all__ = [
    "BillingRunAdmin",
    "DocumentAdmin",
    "RunItemAdmin",
    "VerificationFindingAdmin",
    "VerificationRunAdmin",
]
