"""API keys: the agency they belong to, and their scopes."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Cast
from django.db.models.lookups import Regex

from core.audit import audited
from core.postgres.columns import UUID7
from seats.agencies.models import Agency

# Which scopes exist is declared by the rooms; one that none declares opens no route.
SCOPE = "[a-z_]+:(read|write)"


@audited()
class ApiKey(models.Model):
    """An API key. Only the SHA-256 of its secret is stored.

    An agency may have several valid keys at once, so that it can rotate them.
    """

    secret_columns: ClassVar = ("digest",)  # which no page for members reads

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(
        Agency,
        models.PROTECT,
        null=True,
        related_name="keys",
        help_text="The key reaches this agency and its downline. Empty: all agencies.",
    )
    label = models.CharField(max_length=200, blank=True)
    prefix = models.CharField(
        max_length=12, help_text="The first characters of the key."
    )
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=32))
    created_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="Accurate to the hour.")

    class Meta:
        permissions = [
            ("revoke_apikey", "Can revoke an API key"),
        ]
        verbose_name = "API key"
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Regex(
                    Cast(models.F("scopes"), models.TextField()),
                    rf"^\{{{SCOPE}(,{SCOPE})*\}}$",
                ),
                name="api_key_scopes_valid",
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}... {self.label}".rstrip()
