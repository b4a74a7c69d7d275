"""Mails that wait to be sent."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import seats.columns
from seats.privileges import restrict

# What was written and to whom stays; only its way out moves.
MAIL = "state, attempts, next_attempt_at, lease_until, last_error, sent_at"


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0008_archived_months"),
        ("seats", "0005_usage_read"),
    ]

    operations = [
        migrations.CreateModel(
            name="Mail",
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
                        db_default=seats.columns.UUID7(), editable=False, unique=True
                    ),
                ),
                ("template", models.CharField(max_length=64)),
                (
                    "subject_key",
                    models.CharField(
                        help_text="What it is about; told once to each.", max_length=200
                    ),
                ),
                (
                    "to",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=254), size=None
                    ),
                ),
                ("subject", models.CharField(max_length=250)),
                ("text", models.TextField()),
                ("html", models.TextField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("sending", "Sending"),
                            ("sent", "Sent"),
                            ("failed", "Failed"),
                            ("held", "held: no mail server is set"),
                        ],
                        max_length=8,
                    ),
                ),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("lease_until", models.DateTimeField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=500)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "agency",
                    models.ForeignKey(
                        help_text="Whose matter.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["queued", "sending"])),
                        fields=["next_attempt_at"],
                        name="mails_to_send",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("template", "subject_key", "to"),
                        name="one_mail_per_cause",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("to__len__gt", 0)),
                        name="a_mail_goes_to_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("sent_at__isnull", False), ("state", "sent")),
                            models.Q(
                                models.Q(("state", "sent"), _negated=True),
                                ("sent_at__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="a_mail_that_was_sent_says_when",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("lease_until__isnull", False), ("state", "sending")
                            ),
                            models.Q(
                                models.Q(("state", "sending"), _negated=True),
                                ("lease_until__isnull", True),
                            ),
                            _connector="OR",
                        ),
                        name="a_mail_that_is_being_sent_is_leased",
                    ),
                ],
            },
        ),
        restrict({"billing_mail": f"SELECT, INSERT, UPDATE ({MAIL})"}),
    ]
