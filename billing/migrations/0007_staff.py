"""Refunds to approve, signs of life, and indexes of what waits for staff."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import core.postgres.columns
from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0006_row_security"),
        ("seats", "0003_row_security"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Pulse",
            fields=[
                (
                    "queue",
                    models.CharField(max_length=32, primary_key=True, serialize=False),
                ),
                ("beaten_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["queue"],
            },
        ),
        migrations.CreateModel(
            name="RefundApproval",
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
                ("amount", models.DecimalField(decimal_places=3, max_digits=18)),
                ("currency", models.CharField(max_length=3)),
                (
                    "reference",
                    models.CharField(
                        blank=True,
                        help_text="Of a refund made by hand.",
                        max_length=200,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("approved", "Approved"),
                            ("declined", "Declined"),
                        ],
                        default="requested",
                        max_length=9,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("decided_at", models.DateTimeField(null=True)),
                (
                    "decision",
                    models.CharField(
                        blank=True,
                        help_text="Why it was approved or declined.",
                        max_length=500,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    (
                        "approve_refundapproval",
                        "Can approve a refund that another requested",
                    ),
                    ("decline_refundapproval", "Can decline a refund above the limit"),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="mail",
            index=models.Index(
                condition=models.Q(("state__in", ["failed", "held"])),
                fields=["created_at"],
                name="mails_not_sent",
            ),
        ),
        migrations.AddIndex(
            model_name="outboxevent",
            index=models.Index(
                condition=models.Q(("type", "payments.differ")),
                fields=["occurred_at"],
                name="outbox_events_that_differ",
            ),
        ),
        migrations.AddIndex(
            model_name="processorevent",
            index=models.Index(
                condition=models.Q(("state", "quarantined")),
                fields=["received_at"],
                name="processor_event_quarantined",
            ),
        ),
        migrations.AddIndex(
            model_name="quarantinedevent",
            index=models.Index(
                condition=models.Q(("state", "held")),
                fields=["received_at"],
                name="usage_events_held",
            ),
        ),
        migrations.AddIndex(
            model_name="runitem",
            index=models.Index(
                condition=models.Q(("state", "parked")),
                fields=["next_attempt_at"],
                name="run_items_parked",
            ),
        ),
        migrations.AddIndex(
            model_name="usageimport",
            index=models.Index(
                condition=models.Q(("state", "failed")),
                fields=["created_at"],
                name="usage_imports_failed",
            ),
        ),
        migrations.AddField(
            model_name="refundapproval",
            name="attempt",
            field=models.OneToOneField(
                help_text="The refund at the processor. Empty if it was made by hand.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="approval",
                to="billing.refundattempt",
            ),
        ),
        migrations.AddField(
            model_name="refundapproval",
            name="decided_by",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="refundapproval",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="refund_approvals",
                to="billing.payment",
            ),
        ),
        migrations.AddField(
            model_name="refundapproval",
            name="requested_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="refundapproval",
            index=models.Index(
                condition=models.Q(("state", "requested")),
                fields=["requested_at"],
                name="refund_approval_undecided",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0), ("amount__lt", 100000000000000)),
                name="a_refund_approval_is_of_an_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="a_refund_approval_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("decided_at", None),
                        ("decided_by", None),
                        ("decision", ""),
                        ("state", "requested"),
                    ),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("decided_by__isnull", False),
                        ("state__in", ["approved", "declined"]),
                        models.Q(("decision", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="a_decided_refund_approval_says_by_whom_and_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "approved"), _negated=True),
                    models.Q(("decided_by", models.F("requested_by")), _negated=True),
                    _connector="OR",
                ),
                name="nobody_approves_a_refund_of_their_own",
            ),
        ),
        migrations.AddConstraint(
            model_name="refundapproval",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("attempt", None), ("state", "approved"), _connector="OR"
                ),
                name="a_refund_is_approved_before_it_is_sent",
            ),
        ),
        LoadSql(
            {
                "billing/collection/sql/refund_approvals.sql": "af0035ca4d59",
                "billing/recurring/sql/pulses.sql": "622eeefebdd7",
            }
        ),
    ]
