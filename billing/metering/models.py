"""What was used: events as told by the dialer, and their totals by day.

The event tables are made by hand-written migrations (partitions by month).
"""

from django.db import models
from django.db.models import Q

from billing.pricing.models import Meter
from seats.columns import BELOW
from seats.models import Agency, Agent


class EventKey(models.Model):
    """Remembers for ever that an event was counted, and what it said.

    `key` digests (owner, source, id); `content` digests everything that counts.
    """

    key = models.UUIDField(primary_key=True)
    content = models.UUIDField()
    event_id = models.BigIntegerField()
    used_on = models.DateField()

    def __str__(self) -> str:
        return str(self.key)


class UsageEvent(models.Model):
    """One fact from the dialer. Partitioned by the month of `used_on`."""

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

    class Meta:
        managed = False
        db_table = "billing_usageevent"

    def __str__(self) -> str:
        return f"{self.source} {self.external_id}"


class UsageDay(models.Model):
    """Totals of one agency, agent, meter, breakdown, date and cut-off.

    Both totals are in raw units. Summed up while the cut-off is current; the
    database freezes the row once it is taken.
    """

    # A trigger checks all three for a whole statement at once, and what they name
    # is never deleted; checks row by row cost as much as the rows themselves.
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
                fields=["agency", "used_on", "meter", "agent", "breakdown", "cutoff"],
                name="one_usage_day_per_key_and_cutoff",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                condition=Q(events__gte=0) & Q(raw__lt=BELOW) & Q(billable__lt=BELOW),
                name="usage_day_is_a_number",
            ),
        ]
        indexes = [
            models.Index(
                fields=["agency", "cutoff", "used_on"], name="usage_day_by_cutoff"
            )
        ]

    def __str__(self) -> str:
        return f"{self.agency_id} {self.meter_id} {self.used_on}"


class UsageConflict(models.Model):
    """An event whose id was counted before with another content. Never billed."""

    key = models.UUIDField()
    content = models.UUIDField()
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    event = models.JSONField(help_text="The event as it was sent.")
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-received_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["key", "content"], name="one_conflict_per_content"
            )
        ]

    def __str__(self) -> str:
        return f"Conflict {self.key}"
