"""What of billing runs and verification waits for staff."""

from datetime import datetime

from billing.invoicing.models.runs import RunItem
from billing.invoicing.models.verification import VerificationFinding
from core.admin.today import Waiting, list_of, waiting, waits


@waits(
    "Parked payers",
    order=10,
    permission="billing.view_runitem",
    todo="Mend the cause that the list names, then bill them again.",
    url=list_of("billing_runitem", state__exact="parked"),
)
def parked_payers(now: datetime) -> Waiting:
    """Payers that a run could not bill, by when they were tried last."""
    parked = RunItem.objects.filter(state=RunItem.State.PARKED)
    return waiting(parked, "next_attempt_at")


@waits(
    "Verification differences",
    order=20,
    permission="billing.view_verificationfinding",
    todo="Find the cause. Until it is gone or accepted, their documents are not charged.",
    url=list_of("billing_verificationfinding", state="open"),
)
def open_findings(now: datetime) -> Waiting:
    """Differences that hold documents."""
    rows = VerificationFinding.objects.filter(resolved_at=None, accepted_at=None)
    return waiting(rows, "first_seen_at")
