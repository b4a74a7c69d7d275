"""API keys: the agency they belong to, and their scopes."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from core.postgres.columns import UUID7
from seats.agencies.models import Agency


class ApiKey(models.Model):
    """An API key. Only the SHA-256 of its secret is stored.

    An agency may have several valid keys at once, so that it can rotate them.
    """

    class Scope(models.TextChoices):
        SEATS_READ = "seats:read"
        SEATS_WRITE = "seats:write"
        USAGE_READ = "usage:read"
        USAGE_WRITE = "usage:write"
        INVOICES_READ = "invoices:read"
        PAYMENTS_READ = "payments:read"
        PAYMENTS_WRITE = "payments:write"
        WEBHOOKS_READ = "webhooks:read"
        WEBHOOKS_WRITE = "webhooks:write"
        BUDGETS_READ = "budgets:read"
        BUDGETS_WRITE = "budgets:write"
        AUTHORIZE_READ = "authorize:read"

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
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope))
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
                condition=Q(
                    scopes__contained_by=[
                        "seats:read",
                        "seats:write",
                        "usage:read",
                        "usage:write",
                        "invoices:read",
                        "payments:read",
                        "payments:write",
                        "webhooks:read",
                        "webhooks:write",
                        "budgets:read",
                        "budgets:write",
                        "authorize:read",
                    ]
                )
                & Q(scopes__len__gt=0),
                name="api_key_scopes_valid",
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}... {self.label}".rstrip()
