"""Verification runs, and the findings that hold the collection of documents."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns
from core.postgres.privileges import restrict


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0020_recurring_jobs"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.CreateModel(
            name="VerificationRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(
                        db_default=core.postgres.columns.UUID7(),
                        editable=False,
                        unique=True,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("full", "Full"), ("incremental", "Incremental")],
                        max_length=12,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("finished", "Finished"),
                            ("failed", "Failed"),
                        ],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                (
                    "started_at",
                    models.DateTimeField(help_text="The snapshot is taken after this."),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                (
                    "since",
                    models.DateTimeField(
                        help_text="An incremental pass checks what was recorded after this.",
                        null=True,
                    ),
                ),
                (
                    "findings",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Differences seen, including those already recorded.",
                    ),
                ),
                (
                    "opened",
                    models.PositiveIntegerField(default=0, help_text="New findings."),
                ),
                (
                    "resolved",
                    models.PositiveIntegerField(
                        default=0, help_text="Findings that ended."
                    ),
                ),
                ("pending_facts", models.PositiveIntegerField(null=True)),
                ("error", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-pk"],
                "indexes": [
                    models.Index(
                        fields=["kind", "-started_at"], name="verification_due"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")),
                        fields=("kind",),
                        name="one_running_verification_per_kind",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at", None),
                                ("lease_until__isnull", False),
                                ("state", "running"),
                            ),
                            models.Q(
                                models.Q(("state", "running"), _negated=True),
                                ("finished_at__isnull", False),
                                ("lease_until", None),
                            ),
                            _connector="OR",
                        ),
                        name="a_running_verification_has_a_lease",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="VerificationFinding",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "public_id",
                    models.UUIDField(
                        db_default=core.postgres.columns.UUID7(),
                        editable=False,
                        unique=True,
                    ),
                ),
                ("code", models.CharField(max_length=40)),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("document", "the document"),
                            ("agency", "documents that include the agency (and month)"),
                            ("payer", "every document of the payer"),
                            ("price_list", "documents priced with the list"),
                            ("platform", "no document"),
                        ],
                        max_length=10,
                        verbose_name="holds",
                    ),
                ),
                ("month", models.DateField(null=True)),
                (
                    "count",
                    models.PositiveIntegerField(help_text="Number of differences."),
                ),
                (
                    "details",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(),
                        help_text="The first differences.",
                        size=None,
                    ),
                ),
                (
                    "digest",
                    models.CharField(
                        help_text="SHA-256 over all differences.", max_length=64
                    ),
                ),
                ("first_seen_at", models.DateTimeField()),
                ("last_seen_at", models.DateTimeField()),
                ("resolved_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("accepted_by", models.CharField(blank=True, max_length=200)),
                ("accepted_reason", models.CharField(blank=True, max_length=500)),
                (
                    "agency",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="findings",
                        to="billing.document",
                    ),
                ),
                (
                    "price_list",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.pricelist",
                    ),
                ),
                (
                    "first_run",
                    models.ForeignKey(
                        help_text="Empty: seen right before a charge.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="billing.verificationrun",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [("accept_verificationfinding", "Can accept a finding")],
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("accepted_at", None), ("resolved_at", None)
                        ),
                        fields=["scope"],
                        name="findings_that_hold",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("resolved_at", None)),
                        fields=(
                            "code",
                            "scope",
                            "agency",
                            "month",
                            "document",
                            "price_list",
                        ),
                        name="one_open_finding_per_code_and_object",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("accepted_at", None),
                                ("accepted_by", ""),
                                ("accepted_reason", ""),
                            ),
                            models.Q(
                                ("accepted_at__isnull", False),
                                models.Q(("accepted_by", ""), _negated=True),
                                models.Q(("accepted_reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="an_accepted_finding_says_who_and_why",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("document__isnull", False), ("scope", "document")
                            ),
                            models.Q(
                                ("agency__isnull", False),
                                ("scope__in", ["agency", "payer"]),
                            ),
                            models.Q(
                                ("price_list__isnull", False), ("scope", "price_list")
                            ),
                            ("scope", "platform"),
                            _connector="OR",
                        ),
                        name="a_finding_names_what_it_holds",
                    ),
                ],
            },
        ),
        restrict(
            {
                "billing_verificationrun": (
                    "SELECT, INSERT, UPDATE (state, finished_at, lease_until, findings,"
                    " opened, resolved, pending_facts, error)"
                ),
                "billing_verificationfinding": (
                    "SELECT, INSERT, UPDATE (count, details, digest, last_seen_at,"
                    " resolved_at, accepted_at, accepted_by, accepted_reason)"
                ),
            }
        ),
    ]
