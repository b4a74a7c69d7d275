"""Endpoints, deliveries and their attempts; how far streams are handed out."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import core.postgres.columns


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0009_payments"),
        ("seats", "0007_webhook_scopes"),
    ]

    operations = [
        migrations.CreateModel(
            name="FannedOut",
            fields=[
                (
                    "stream",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to="billing.outboxstream",
                    ),
                ),
                ("through", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
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
                ("url", models.CharField(max_length=500)),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "event_types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        default=list,
                        help_text="The subscribed event types. Empty: all.",
                        size=None,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("enabled", "Enabled"),
                            ("paused", "paused: holds its events"),
                            ("disabled", "disabled: holds its events"),
                        ],
                        default="enabled",
                        max_length=10,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        help_text="Why the endpoint is in this state.",
                        max_length=200,
                    ),
                ),
                ("failing_since", models.DateTimeField(null=True)),
                (
                    "quiet_until",
                    models.DateTimeField(
                        help_text="The receiver is busy; nothing is sent before this.",
                        null=True,
                    ),
                ),
                ("sealed_secret", models.TextField()),
                ("sealed_previous", models.TextField(blank=True)),
                ("previous_until", models.DateTimeField(null=True)),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("deleted_at", models.DateTimeField(null=True)),
                (
                    "agency",
                    models.ForeignKey(
                        blank=True,
                        help_text="Whose events are delivered, without its downline. Empty: all events.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_endpoints",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
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
                ("subject", models.CharField(max_length=120)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("sending", "Sending"),
                            ("delivered", "Delivered"),
                            ("given_up", "given up"),
                        ],
                        default="pending",
                        max_length=10,
                    ),
                ),
                (
                    "attempts",
                    models.IntegerField(
                        default=0, help_text="Attempts begun in total."
                    ),
                ),
                (
                    "tries",
                    models.IntegerField(
                        default=0, help_text="Attempts begun since it was last queued."
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="When the next attempt is due; while sending, the end of the lease."
                    ),
                ),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "event",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="billing.outboxevent",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deliveries",
                        to="billing.webhookendpoint",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="DeliveryAttempt",
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
                ("number", models.IntegerField()),
                ("made_at", models.DateTimeField(db_index=True)),
                ("status", models.IntegerField(null=True)),
                ("latency_ms", models.IntegerField()),
                ("answer", models.TextField(blank=True)),
                ("error", models.CharField(blank=True, max_length=200)),
                (
                    "delivery",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="log",
                        to="billing.delivery",
                    ),
                ),
            ],
            options={
                "ordering": ["delivery", "number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("delivery", "number"), name="one_row_per_attempt"
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["enabled", "paused", "disabled"])),
                name="endpoint_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("deleted_at", None),
                    models.Q(
                        ("sealed_previous", ""),
                        ("sealed_secret", ""),
                        ("state", "disabled"),
                    ),
                    _connector="OR",
                ),
                name="a_deleted_endpoint_has_no_secrets",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("previous_until", None), ("sealed_previous", "")),
                    models.Q(
                        models.Q(("sealed_previous", ""), _negated=True),
                        ("previous_until__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="a_previous_secret_has_an_end",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["pending", "sending"])),
                fields=["endpoint", "due_at", "event"],
                name="delivery_due",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state__in", ["pending", "sending"])),
                fields=["endpoint", "subject", "event"],
                name="delivery_before",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "sending")),
                fields=["endpoint"],
                name="delivery_sent",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "delivered")),
                fields=["settled_at"],
                name="delivery_settled",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("endpoint", "event"), name="one_delivery_per_endpoint_and_event"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("settled_at", None), ("state__in", ["pending", "sending"])
                    ),
                    models.Q(
                        ("settled_at__isnull", False),
                        ("state__in", ["delivered", "given_up"]),
                    ),
                    _connector="OR",
                ),
                name="a_settled_delivery_has_its_time",
            ),
        ),
    ]
