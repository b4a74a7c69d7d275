"""Entries of the audit: one for each change of a row, written by triggers alone."""

import json
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models.functions import Now

from seats.agencies.models import Agency


class ExactDecoder(json.JSONDecoder):
    """Reads amounts as decimals."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "parse_float": Decimal})


class AuditEntry(models.Model):
    """A change of a row. It outlives what it refers to, so nothing is enforced by keys.

    `before` and `after` have the columns that changed, all for a row that was added or
    deleted. `agency` is whom the row belongs to, None for what is the platform's.
    """

    class Operation(models.TextChoices):
        INSERT = "insert", "added"
        UPDATE = "update", "changed"
        DELETE = "delete", "deleted"

    at = models.DateTimeField(db_default=Now())
    agency = models.ForeignKey(
        Agency, models.DO_NOTHING, null=True, db_constraint=False, db_index=False,
        related_name="+",
    )  # fmt: skip
    owner = models.ForeignKey(
        Agency, models.DO_NOTHING, null=True, db_constraint=False, db_index=False,
        related_name="+", help_text="The agency that set the row up.",
    )  # fmt: skip
    table_name = models.CharField(max_length=63)
    row_id = models.CharField(max_length=64)
    operation = models.CharField(max_length=6, choices=Operation)
    label = models.JSONField(
        decoder=ExactDecoder, help_text="The columns that name the row."
    )
    before = models.JSONField(null=True, decoder=ExactDecoder)
    after = models.JSONField(null=True, decoder=ExactDecoder)
    actor = models.ForeignKey(
        "seats.User", models.DO_NOTHING, null=True, db_constraint=False, db_index=False,
        related_name="+",
    )  # fmt: skip
    acting_as = models.ForeignKey(
        "seats.User", models.DO_NOTHING, null=True, db_constraint=False, db_index=False,
        related_name="+",
    )  # fmt: skip
    key = models.ForeignKey(
        "seats.ApiKey", models.DO_NOTHING, null=True, db_constraint=False,
        db_index=False, related_name="+",
    )  # fmt: skip
    process = models.CharField(max_length=200, help_text="The task or command.")
    database_role = models.CharField(max_length=63)
    ip = models.GenericIPAddressField("IP address", null=True)
    path = models.TextField()
    request_id = models.UUIDField(null=True)
    reason = models.TextField()

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name = "change"
        verbose_name_plural = "changes"
        indexes = [
            models.Index(fields=["agency", "-at", "-id"], name="audit_entry_by_agency"),
            models.Index(fields=["-at", "-id"], name="audit_entry_by_time"),
            models.Index(fields=["actor", "-at", "-id"], name="audit_entry_by_actor"),
            models.Index(fields=["table_name", "row_id"], name="audit_entry_by_row"),
        ]

    def __str__(self) -> str:
        return f"{self.table_name} {self.row_id}, {self.operation}"
