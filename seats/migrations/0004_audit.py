"""The audit: entries of every change, and support that acts as a member."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import core.postgres.columns
from core.postgres.sql_files import LoadSql
from seats.audit.models import ExactDecoder


class Migration(migrations.Migration):
    dependencies = [
        ("seats", "0003_row_security"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [
        migrations.CreateModel(
            name="SupportSession",
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
                ("reason", models.CharField(max_length=500)),
                ("started_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "ending",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("ended", "ended by support"),
                            ("logged_out", "support logged out"),
                            ("expired", "ended after 60 minutes"),
                            ("refused", "ended because somebody may no longer do this"),
                        ],
                        max_length=16,
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
                (
                    "staff",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="SupportView",
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
                ("method", models.CharField(max_length=8)),
                ("path", models.CharField(max_length=500)),
                ("http_status", models.PositiveSmallIntegerField()),
                ("viewed_at", models.DateTimeField()),
                (
                    "agency",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
                (
                    "session",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="views",
                        to="seats.supportsession",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
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
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now()
                    ),
                ),
                ("table_name", models.CharField(max_length=63)),
                ("row_id", models.CharField(max_length=64)),
                (
                    "operation",
                    models.CharField(
                        choices=[
                            ("insert", "added"),
                            ("update", "changed"),
                            ("delete", "deleted"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "label",
                    models.JSONField(
                        decoder=ExactDecoder, help_text="The columns that name the row."
                    ),
                ),
                ("before", models.JSONField(null=True, decoder=ExactDecoder)),
                ("after", models.JSONField(null=True, decoder=ExactDecoder)),
                (
                    "process",
                    models.CharField(help_text="The task or command.", max_length=200),
                ),
                ("database_role", models.CharField(max_length=63)),
                (
                    "ip",
                    models.GenericIPAddressField(null=True, verbose_name="IP address"),
                ),
                ("path", models.TextField()),
                ("request_id", models.UUIDField(null=True)),
                ("reason", models.TextField()),
                (
                    "acting_as",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "actor",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="seats.apikey",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        help_text="The agency that set the row up.",
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="seats.agency",
                    ),
                ),
            ],
            options={
                "verbose_name": "change",
                "verbose_name_plural": "changes",
                "ordering": ["-at", "-id"],
                "indexes": [
                    models.Index(
                        fields=["agency", "-at", "-id"], name="audit_entry_by_agency"
                    ),
                    models.Index(fields=["-at", "-id"], name="audit_entry_by_time"),
                    models.Index(
                        fields=["actor", "-at", "-id"], name="audit_entry_by_actor"
                    ),
                    models.Index(
                        fields=["table_name", "row_id"], name="audit_entry_by_row"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SupportAccess",
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
                ("allowed_at", models.DateTimeField()),
                ("until", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "agency",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="support_access",
                        to="seats.agency",
                    ),
                ),
                (
                    "allowed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "support access",
                "verbose_name_plural": "support access",
                "ordering": ["-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("agency",),
                        name="support_access_open_agency_unique",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("until__gt", models.F("allowed_at"))),
                        name="support_access_ends_after_its_start",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="supportsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("staff", models.F("user")), _negated=True),
                name="support_acts_as_somebody_else",
            ),
        ),
        migrations.AddConstraint(
            model_name="supportsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("reason", ""), _negated=True),
                name="support_session_has_a_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="supportsession",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("ended_at", None), ("ending", "")),
                    models.Q(
                        ("ended_at__isnull", False),
                        models.Q(("ending", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="support_session_ends_somehow",
            ),
        ),
        migrations.AddConstraint(
            model_name="supportsession",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("started_at"))),
                name="support_session_expires_after_its_start",
            ),
        ),
        LoadSql(
            {
                "seats/audit/sql/audit.sql": "efbc33e1b3e2",
                "seats/agencies/sql/audit.sql": "1ddfa51a0921",
                "seats/api_keys/sql/audit.sql": "fdb52fd25fa7",
                "seats/roster/sql/audit.sql": "be8b6322dc92",
                "seats/members/sql/audit.sql": "845cc0c29a24",
                "seats/support/sql/support.sql": "fd03cca049bc",
            }
        ),
    ]
