"""Agents, seats, and who holds each seat on which dates. Seats are billed by these."""

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q

from core.audit import audited
from core.postgres.columns import UUID7, Check, DateRangeOf, SameId
from seats.agencies.models import Agency


@audited()
class Agent(models.Model):
    """A licensed insurance agent of exactly one agency."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="agents")
    external_id = models.CharField(
        max_length=64, help_text="The dialer's id of the agent."
    )
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True)
    npn = models.CharField("NPN", max_length=10, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["agency", "external_id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "external_id"], name="one_agent_per_external_id"
            ),
            models.UniqueConstraint(
                fields=["agency", "id"], name="agent_reference_names_its_agency"
            ),
            Check(
                condition=Q(npn__regex=r"^[0-9]{0,10}$"),
                name="npn_is_digits",
                field="npn",
                says="An NPN has up to 10 digits and nothing else.",
            ),
            Check(
                condition=~Q(external_id=""),
                name="agent_has_an_external_id",
                field="external_id",
                says="Enter the dialer's own id of the agent.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.external_id})"


class Seat(models.Model):
    """A billable seat of one agency; derived from its versions."""

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="seats")
    agent = models.ForeignKey(
        Agent,
        models.PROTECT,
        related_name="seats",
        help_text="The last holder of the seat.",
    )
    added_on = models.DateField()
    removed_on = models.DateField(null=True, blank=True)
    cancelled = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)
    transferred_from = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The seat of another agency that this one continues.",
    )

    class Meta:
        permissions = [
            ("remove_seat", "Can remove a seat from a date on"),
            ("hand_over_seat", "Can hand a seat over"),
            ("transfer_seat", "Can transfer a seat to another agency"),
            ("reopen_seat", "Can re-open a removed seat"),
            ("cancel_seat", "Can cancel a seat"),
        ]
        ordering = ["agency", "added_on", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "id"], name="seat_reference_names_its_agency"
            ),
            models.CheckConstraint(
                condition=Q(removed_on__isnull=True) | Q(removed_on__gte=F("added_on")),
                name="seat_is_removed_after_it_was_added",
            ),
        ]

    def __str__(self) -> str:
        until = f" until {self.removed_on}" if self.removed_on else ""
        who = f"{self.agent.name} ({self.agency.code} {self.agent.external_id})"
        return f"Seat of {who} from {self.added_on}{until}"


class SeatHolding(models.Model):
    """The dates on which an agent holds a seat; derived from the seat's versions."""

    seat = models.ForeignKey(Seat, models.PROTECT, related_name="holdings")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="holdings")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+")
    starts_on = models.DateField()
    ends_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["seat", "starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True) | Q(ends_on__gt=F("starts_on")),
                name="holding_is_not_empty",
            ),
            ExclusionConstraint(
                name="one_holder_per_seat_and_date",
                expressions=[
                    (SameId("seat"), RangeOperators.OVERLAPS),
                    (DateRangeOf("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
            ExclusionConstraint(
                name="one_seat_per_agent_and_date",
                expressions=[
                    (SameId("agent"), RangeOperators.OVERLAPS),
                    (DateRangeOf("starts_on", "ends_on"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent.external_id} from {self.starts_on}"


@audited()
class SeatVersion(models.Model):
    """A recorded change of a seat; appended, never edited.

    The dates and the cancellation of the newest version apply. The holder on a date is
    the agent of the newest version with `held_from` at or before that date.
    """

    class Action(models.TextChoices):
        ADD = "add", "added"
        REMOVE = "remove", "removed"
        HAND_OVER = "hand_over", "handed over"
        TRANSFER = "transfer", "transferred"
        REOPEN = "reopen", "re-opened"
        CANCEL = "cancel", "cancelled"
        REDATE = "redate", "re-dated"

    seat = models.ForeignKey(
        Seat, models.PROTECT, related_name="versions", db_index=False
    )
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="+", db_index=False)
    number = models.PositiveIntegerField()
    action = models.CharField(max_length=16, choices=Action)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="+")
    held_from = models.DateField()
    added_on = models.DateField()
    removed_on = models.DateField(null=True, blank=True)
    cancelled = models.BooleanField(default=False)
    waived_days = models.PositiveIntegerField(
        default=0,
        db_default=0,
        help_text="Dates not billed although the seat was used on them.",
    )
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=500, blank=True)
    cutoff = models.BigIntegerField()
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["seat", "number"]
        indexes = [
            models.Index(fields=["agency", "cutoff"], name="seat_version_by_cutoff")
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["seat", "number"], name="one_seat_version_per_number"
            ),
            models.CheckConstraint(
                condition=Q(removed_on__isnull=True) | Q(removed_on__gte=F("added_on")),
                name="version_is_removed_after_it_was_added",
            ),
            models.CheckConstraint(
                condition=Q(held_from__gte=F("added_on")),
                name="seat_is_held_from_its_first_day",
            ),
        ]

    def __str__(self) -> str:
        return f"Version {self.number}: {self.action}"
