"""Billing runs: a month's run, the cut-offs it took, and its payers."""

from django.db import models
from django.db.models import Q

from core.audit import audited
from core.postgres.columns import UUID7, partial_index
from core.queue.models import QueueItem, QueueStates
from seats.models import Agency

ITEMS = QueueStates(waiting=("pending",), leased=("working",))


@audited()
class BillingRun(models.Model):
    """A billing run over the payers of a month; finished once every item is settled."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    month = models.DateField()
    payer = models.ForeignKey(
        Agency, models.PROTECT, null=True, blank=True, help_text="Empty: every payer."
    )
    accept_outliers = models.BooleanField(
        default=False, help_text="Bill unusual totals without parking the payer."
    )
    actor = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    planned_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-month", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(month__day=1), name="run_is_for_a_month"
            ),
            models.UniqueConstraint(
                fields=["month", "payer"],
                condition=Q(finished_at__isnull=True),
                nulls_distinct=False,
                name="one_unfinished_run_per_month",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}, run {self.pk}"


class RunCut(models.Model):
    """The cut-off that a run took of an agency: it bills facts up to that number."""

    run = models.ForeignKey(BillingRun, models.PROTECT, related_name="cuts")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    cutoff = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "agency"], name="one_cut_per_run_and_agency"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agency_id} at {self.cutoff}"


class RunItem(QueueItem):
    """A payer of a run, as a queue entry: the months to close, with its attempts."""

    queue = ITEMS

    class State(models.TextChoices):
        PENDING = "pending"
        WORKING = "working"
        REVIEW = "review", "waiting for review"
        PARKED = "parked"
        RELEASED = "released", "parked, then billed by a later run"
        DONE = "done"

    run = models.ForeignKey(
        BillingRun, models.PROTECT, related_name="items", db_index=False
    )
    payer = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    code = models.CharField(max_length=40, blank=True, help_text="Why it is parked.")
    documents = models.PositiveIntegerField(default=0)

    class Meta:
        permissions = [
            ("release_runitem", "Can bill a parked payer again"),
            ("accept_runitem", "Can bill an unusual total"),
        ]
        ordering = ["run", "payer"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "payer"], name="one_item_per_run_and_payer"
            ),
            ITEMS.lease_check("run_item_lease_matches_state"),
        ]
        indexes = [
            ITEMS.due_index("run_items_due"),
            partial_index("run_items_parked", "next_attempt_at", state="parked"),
        ]

    def __str__(self) -> str:
        return f"{self.payer.code} in {self.run}: {self.state}"
