"""Usage events and their daily totals, imports, the quarantine and archived months.

The table of events, partitioned by month, is created by `sql/usage_events.sql`.
"""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from billing.pricing.models import Meter
from core.postgres.columns import BELOW, UUID7, partial_index
from core.queue.models import QueueItem, QueueStates
from seats.models import Agency, Agent

NO_COUNTS = models.Value({}, models.JSONField())
READING = 2  # of files; since 2 the rows of a call have ids of their own


class EventKey(models.Model):
    """The permanent record that an event was counted, which makes it count once.

    `key` is a digest of (owner, source, id), `content` one of everything else. An event
    that is superseded before it arrives has a key without an event that waits for it;
    its `content` is the key of the correction. When the event arrives, it is counted
    under a second key (`arrival_key`).
    """

    key = models.UUIDField(primary_key=True)
    content = models.UUIDField()
    event_id = models.BigIntegerField(null=True)
    used_on = models.DateField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(event_id__isnull=True, used_on__isnull=True)
                | Q(event_id__isnull=False, used_on__isnull=False),
                name="event_key_event_and_date_together",
            )
        ]

    def __str__(self) -> str:
        return str(self.key)


class UsageEvent(models.Model):
    """A counted event. Never updated or deleted; partitioned by the month of `used_on`.

    An event that was superseded is reversed by a row of its own with the same contents
    and negative quantities, which names it in `reverses`.
    """

    pk = models.CompositePrimaryKey("id", "used_on")
    id = models.BigIntegerField()
    used_on = models.DateField(help_text="Local date of the agency.")
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    agent = models.ForeignKey(
        Agent, models.DO_NOTHING, null=True, db_constraint=False, related_name="+"
    )
    meter = models.ForeignKey(
        Meter, models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    breakdown = models.CharField(max_length=40)
    owner = models.BigIntegerField(help_text="Agency of the key; 0: the platform.")
    source = models.CharField(max_length=200)
    external_id = models.CharField(max_length=200)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()
    raw = models.DecimalField(max_digits=20, decimal_places=6)
    billable = models.DecimalField(max_digits=20, decimal_places=6)
    properties = models.JSONField()
    cutoff = models.BigIntegerField()
    supersedes = models.CharField(
        max_length=200, null=True, help_text="External id of the event it replaces."
    )
    reverses = models.BigIntegerField(
        null=True, help_text="Id of the event of that date that this row takes back."
    )

    class Meta:
        managed = False
        db_table = "billing_usageevent"

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}"


class UsageDay(models.Model):
    """Totals of one agency, agent, meter, breakdown, local date and cut-off.

    `raw` and `billable` are in raw units. A row grows while its cut-off is current; then
    the database refuses changes. A row with reversals of earlier events may be negative;
    the sum over all cut-offs never is.
    """

    # Without constraints: a trigger checks the three references once per statement, and
    # what they name is never deleted. Checks per row would cost as much as the rows.
    agency = models.ForeignKey(
        Agency, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    agent = models.ForeignKey(
        Agent,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    meter = models.ForeignKey(
        Meter, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    breakdown = models.CharField(max_length=40, default="", blank=True)
    used_on = models.DateField()
    cutoff = models.BigIntegerField()
    events = models.BigIntegerField()
    raw = models.DecimalField(max_digits=24, decimal_places=6)
    billable = models.DecimalField(max_digits=24, decimal_places=6)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "cutoff", "used_on", "meter", "agent", "breakdown"],
                name="one_usage_day_per_key_and_cutoff",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(raw__lt=BELOW) & Q(billable__lt=BELOW),
                name="usage_day_quantities_finite",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agency.code} {self.meter.code} {self.used_on}"


class ArchivedMonth(models.Model):
    """A month whose events were moved to a file, with the hashes of the file.

    Written in the transaction that detaches the partition, and never changed.
    """

    month = models.DateField(primary_key=True)
    file_name = models.CharField(max_length=100, unique=True)
    rows = models.BigIntegerField()
    file_size = models.BigIntegerField(help_text="Bytes.")
    file_hash = models.CharField(max_length=64, help_text="SHA-256.")
    sums_hash = models.CharField(
        max_length=64, help_text="SHA-256 of the sums by agency, meter and cut-off."
    )
    archived_at = models.DateTimeField()
    detached_at = models.DateTimeField()
    actor = models.CharField(max_length=200)

    class Meta:
        ordering = ["month"]
        constraints = [
            models.CheckConstraint(
                condition=Q(month__day=1), name="archived_month_starts_with_a_month"
            ),
            models.CheckConstraint(
                condition=Q(rows__gte=0, file_size__gt=0),
                name="an_archive_is_a_file_of_rows",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class QuarantinedEvent(models.Model):
    """A rejected event that is kept until staff resolve it.

    It names an unknown agency or agent, or its id was counted with different content.
    """

    class State(models.TextChoices):
        HELD = "held"
        RELEASED = "released", "counted after all"
        DROPPED = "dropped"

    key = models.UUIDField()
    content = models.UUIDField()
    owner = models.BigIntegerField(help_text="Agency of the key; 0: the platform.")
    agency = models.ForeignKey(
        Agency, models.PROTECT, null=True, related_name="+", help_text="If it is known."
    )
    code = models.CharField(max_length=40)
    message = models.CharField(max_length=500)
    event = models.JSONField(help_text="The event as it was sent.")
    received_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.HELD)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.CharField(max_length=200, blank=True)

    class Meta:
        permissions = [
            ("release_quarantinedevent", "Can release a quarantined event"),
            (
                "replace_counted_quarantinedevent",
                "Can count a quarantined event instead of another",
            ),
            ("drop_quarantinedevent", "Can drop a quarantined event"),
        ]
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["key", "content"], name="quarantined_event_key_content_unique"
            ),
            models.CheckConstraint(
                condition=Q(state="held", settled_at__isnull=True)
                | Q(state__in=["released", "dropped"], settled_at__isnull=False),
                name="quarantined_event_settled_at_matches_state",
            ),
        ]
        indexes = [partial_index("usage_events_held", "received_at", state="held")]

    def __str__(self) -> str:
        return f"{self.event['source']} {self.event['id']}"


IMPORTS = QueueStates(waiting=("waiting",), leased=("running",))
FAILED = partial_index("usage_imports_failed", "created_at", state="failed")


class UsageImport(QueueItem):
    """An import of a usage file: who imported it, when, and the counts of its rows.

    An uploaded file waits for a worker, stored in parts. Counts are committed together
    with the rows they count, so an interrupted import continues where it stopped.
    `attempts` counts turns since rows were last committed.
    """

    queue = IMPORTS
    claim_fields = [*QueueItem.claim_fields, "last_turn_at"]

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="imports")
    format = models.CharField(max_length=20)
    zone = models.CharField(max_length=64, help_text="Of its times without offset.")
    file_name = models.CharField(max_length=255)
    file_hash = models.CharField(max_length=64, help_text="SHA-256.")
    file_size = models.BigIntegerField(help_text="Bytes.")
    actor = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=8, choices=State)
    uploaded = models.BooleanField(help_text="A worker reads it, not a command.")
    last_turn_at = models.DateTimeField(
        null=True, help_text="When a worker last began to read a part of it."
    )
    rows = models.BigIntegerField(default=0, help_text="Rows read so far.")
    accepted = models.BigIntegerField(default=0, help_text="Rows counted as usage.")
    duplicate = models.BigIntegerField(
        default=0, help_text="Rows whose event was counted before."
    )
    rejected = models.BigIntegerField(
        default=0, help_text="Rows that could not be counted, each with its reason."
    )
    skipped = models.BigIntegerField(
        default=0, help_text="Rows that are not usage, such as a call's other leg."
    )
    waiting = models.BigIntegerField(default=0, db_default=0)
    unread = models.BigIntegerField(default=0, db_default=0)
    reasons = models.JSONField(default=dict, db_default=NO_COUNTS)
    seconds = models.JSONField(default=dict, db_default=NO_COUNTS)
    reading = models.PositiveSmallIntegerField(default=READING, db_default=1)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    rows=models.F("accepted")
                    + models.F("duplicate")
                    + models.F("rejected")
                    + models.F("skipped")
                    + models.F("waiting")
                    + models.F("unread")
                ),
                name="usage_import_rows_equal_counts",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "failed"], finished_at__isnull=False)
                | Q(state__in=["waiting", "running"], finished_at__isnull=True),
                name="usage_import_finished_at_matches_state",
            ),
            IMPORTS.lease_check("usage_import_lease_matches_state"),
        ]
        indexes = [IMPORTS.due_index("usage_import_unfinished"), FAILED]

    def __str__(self) -> str:
        return self.file_name

    def begin_attempt(self, *, now: datetime, lease: timedelta) -> None:
        super().begin_attempt(now=now, lease=lease)
        self.last_turn_at = now


class ConversationLeg(models.Model):
    """A leg of a call that may have others, and what is decided about it.

    `event` is the latest event of the leg, which counts it or took it back. A waiting
    leg is decided when its other leg comes, or once its month is over.
    """

    class State(models.TextChoices):
        COUNTED = "counted"
        SKIPPED = "skipped"
        WAITING = "waiting"

    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    source = models.CharField(max_length=200)
    leg = models.CharField(max_length=200)
    conversation = models.CharField(max_length=200)
    content = models.JSONField(help_text="The leg as it was read, without numbers.")
    state = models.CharField(max_length=8, choices=State)
    reason = models.CharField(max_length=80, blank=True)
    event = models.CharField(max_length=220, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    version = models.PositiveSmallIntegerField(default=0)
    used_on = models.DateField()
    received_at = models.DateTimeField()

    class Meta:
        verbose_name = "call leg"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "source", "leg"], name="conversation_leg_unique_leg"
            ),
            models.CheckConstraint(
                condition=~Q(state="counted", event=""),
                name="conversation_leg_counted_has_event",
            ),
        ]
        indexes = [
            models.Index(
                fields=["agency", "source", "conversation"],
                name="conversation_leg_together",
            ),
            models.Index(
                fields=["used_on"],
                condition=Q(state="waiting"),
                name="conversation_leg_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.leg


class ImportPart(models.Model):
    """A piece of an uploaded file, kept until the import is over."""

    usage_import = models.ForeignKey(
        UsageImport, models.CASCADE, related_name="parts", db_index=False
    )
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["usage_import", "position"], name="one_part_per_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.usage_import_id} {self.position}"


class RejectedRow(models.Model):
    """A rejected row of a file with the reason and its cells.

    It may contain personal data, so it is deleted after some days.
    """

    usage_import = models.ForeignKey(
        UsageImport, models.CASCADE, related_name="rejected_rows"
    )
    row = models.BigIntegerField()
    code = models.CharField(max_length=40)
    field = models.CharField(max_length=80, blank=True)
    message = models.CharField(max_length=500)
    cells = models.JSONField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"row {self.row}: {self.code}"
