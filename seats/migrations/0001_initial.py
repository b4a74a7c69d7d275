"""Agencies, seats, members and keys: the tables."""

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from core.postgres.columns import UUID7, DateRangeOf, SameId
from core.postgres.sql_files import LoadSql


def row_id() -> models.BigAutoField:
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


def public_id() -> models.UUIDField:
    return models.UUIDField(db_default=UUID7(), editable=False, unique=True)


class Migration(migrations.Migration):
    initial = True
    # A database that has all of these has these tables.
    replaces = [
        ("seats", name)
        for name in (
            "0002_guards",
            "0003_api_keys",
            "0004_more_scopes",
            "0005_usage_read",
            "0006_payment_scopes",
            "0007_webhook_scopes",
            "0008_budgets_and_authorize",
            "0009_used_seats",
            "0010_admin_permissions",
            "0011_constraint_names",
            "0012_cutoff_counter",
            "0013_scopes_of_rooms",
            "0014_invitations",
        )
    ]
    dependencies = [("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        LoadSql({"core/sql/default_privileges.sql": "5228be6d3354"}),
        # seats.agencies
        migrations.CreateModel(
            name="Agency",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                ("code", models.CharField(max_length=32, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("currency", models.CharField(max_length=3)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "agencies",
                "ordering": ["code"],
                "permissions": [
                    ("move_agency", "Can put an agency below another upline"),
                    ("change_zone_agency", "Can change the time zone of an agency"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        name="agency_code_is_plain",
                        condition=Q(code__regex="^[A-Z0-9][A-Z0-9_-]*$"),
                    ),
                    models.CheckConstraint(
                        name="agency_currency_is_iso",
                        condition=Q(currency__regex="^[A-Z]{3}$"),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AgencyZone",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="zones"
                    ),
                ),
                ("zone", models.CharField(max_length=64)),
                ("starts_on", models.DateField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["agency", "starts_on"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_zone_per_agency_and_month",
                        fields=("agency", "starts_on"),
                    ),
                    models.CheckConstraint(
                        name="zone_starts_with_a_month", condition=Q(starts_on__day=1)
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Upline",
            fields=[
                ("id", row_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="uplines"
                    ),
                ),
                (
                    "upline",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="downlines"
                    ),
                ),
                ("starts_on", models.DateField()),
                ("ends_on", models.DateField(blank=True, null=True)),
            ],
            options={
                "ordering": ["agency", "starts_on"],
                "constraints": [
                    models.CheckConstraint(
                        name="upline_edge_is_not_empty",
                        condition=Q(ends_on__isnull=True)
                        | Q(ends_on__gt=F("starts_on")),
                    ),
                    ExclusionConstraint(
                        name="one_upline_per_agency_and_date",
                        expressions=[
                            (SameId("agency"), "&&"),
                            (DateRangeOf("starts_on", "ends_on"), "&&"),
                        ],
                    ),
                ],
            },
        ),
        # seats.api_keys
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency",
                        models.PROTECT,
                        null=True,
                        help_text="The key reaches this agency and its downline. Empty: all agencies.",
                        related_name="keys",
                    ),
                ),
                ("label", models.CharField(max_length=200, blank=True)),
                (
                    "prefix",
                    models.CharField(
                        max_length=12, help_text="The first characters of the key."
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                (
                    "scopes",
                    ArrayField(base_field=models.CharField(max_length=32), size=None),
                ),
                ("created_by", models.CharField(max_length=200)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "last_used_at",
                    models.DateTimeField(null=True, help_text="Accurate to the hour."),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ["-created_at"],
                "permissions": [("revoke_apikey", "Can revoke an API key")],
                "constraints": [
                    models.CheckConstraint(
                        name="api_key_scopes_valid",
                        condition=models.lookups.Regex(
                            models.functions.comparison.Cast(
                                F("scopes"), models.TextField()
                            ),
                            "^\\{[a-z_]+:(read|write)(,[a-z_]+:(read|write))*\\}$",
                        ),
                    ),
                ],
            },
        ),
        # seats.cutoffs
        migrations.CreateModel(
            name="CutoffCounter",
            fields=[
                (
                    "agency",
                    models.OneToOneField(
                        "seats.agency",
                        models.PROTECT,
                        primary_key=True,
                        serialize=False,
                        related_name="cutoff_counter",
                    ),
                ),
                ("cutoff", models.BigIntegerField(default=1)),
                (
                    "closed_through",
                    models.DateField(
                        blank=True,
                        null=True,
                        help_text="The first day of the last closed month.",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        name="cutoff_starts_at_one", condition=Q(cutoff__gte=1)
                    ),
                    models.CheckConstraint(
                        name="closed_through_is_a_month",
                        condition=Q(closed_through__isnull=True)
                        | Q(closed_through__day=1),
                    ),
                ],
            },
        ),
        # seats.roster
        migrations.CreateModel(
            name="Agent",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="agents"
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        max_length=64, help_text="The dialer's id of the agent."
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                ("email", models.EmailField(max_length=254, blank=True)),
                (
                    "npn",
                    models.CharField(verbose_name="NPN", max_length=10, blank=True),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["agency", "external_id"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_agent_per_external_id",
                        fields=("agency", "external_id"),
                    ),
                    models.UniqueConstraint(
                        name="agent_reference_names_its_agency", fields=("agency", "id")
                    ),
                    models.CheckConstraint(
                        name="npn_is_digits", condition=Q(npn__regex="^[0-9]{0,10}$")
                    ),
                    models.CheckConstraint(
                        name="agent_has_an_external_id", condition=~Q(external_id="")
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Seat",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="seats"
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent",
                        models.PROTECT,
                        help_text="The last holder of the seat.",
                        related_name="seats",
                    ),
                ),
                ("added_on", models.DateField()),
                ("removed_on", models.DateField(blank=True, null=True)),
                ("cancelled", models.BooleanField(default=False)),
                ("version", models.PositiveIntegerField(default=1)),
                (
                    "transferred_from",
                    models.ForeignKey(
                        "seats.seat",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        help_text="The seat of another agency that this one continues.",
                        related_name="+",
                    ),
                ),
            ],
            options={
                "ordering": ["agency", "added_on", "id"],
                "permissions": [
                    ("remove_seat", "Can remove a seat from a date on"),
                    ("hand_over_seat", "Can hand a seat over"),
                    ("transfer_seat", "Can transfer a seat to another agency"),
                    ("reopen_seat", "Can re-open a removed seat"),
                    ("cancel_seat", "Can cancel a seat"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="seat_reference_names_its_agency", fields=("agency", "id")
                    ),
                    models.CheckConstraint(
                        name="seat_is_removed_after_it_was_added",
                        condition=Q(removed_on__isnull=True)
                        | Q(removed_on__gte=F("added_on")),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SeatHolding",
            fields=[
                ("id", row_id()),
                (
                    "seat",
                    models.ForeignKey(
                        "seats.seat", models.PROTECT, related_name="holdings"
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent", models.PROTECT, related_name="holdings"
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey("seats.agency", models.PROTECT, related_name="+"),
                ),
                ("starts_on", models.DateField()),
                ("ends_on", models.DateField(blank=True, null=True)),
            ],
            options={
                "ordering": ["seat", "starts_on"],
                "constraints": [
                    models.CheckConstraint(
                        name="holding_is_not_empty",
                        condition=Q(ends_on__isnull=True)
                        | Q(ends_on__gt=F("starts_on")),
                    ),
                    ExclusionConstraint(
                        name="one_holder_per_seat_and_date",
                        expressions=[
                            (SameId("seat"), "&&"),
                            (DateRangeOf("starts_on", "ends_on"), "&&"),
                        ],
                    ),
                    ExclusionConstraint(
                        name="one_seat_per_agent_and_date",
                        expressions=[
                            (SameId("agent"), "&&"),
                            (DateRangeOf("starts_on", "ends_on"), "&&"),
                        ],
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SeatVersion",
            fields=[
                ("id", row_id()),
                (
                    "seat",
                    models.ForeignKey(
                        "seats.seat",
                        models.PROTECT,
                        related_name="versions",
                        db_index=False,
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="+", db_index=False
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "action",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("add", "added"),
                            ("remove", "removed"),
                            ("hand_over", "handed over"),
                            ("transfer", "transferred"),
                            ("reopen", "re-opened"),
                            ("cancel", "cancelled"),
                            ("redate", "re-dated"),
                        ],
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey("seats.agent", models.PROTECT, related_name="+"),
                ),
                ("held_from", models.DateField()),
                ("added_on", models.DateField()),
                ("removed_on", models.DateField(blank=True, null=True)),
                ("cancelled", models.BooleanField(default=False)),
                (
                    "waived_days",
                    models.PositiveIntegerField(
                        default=0,
                        db_default=0,
                        help_text="Dates not billed although the seat was used on them.",
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(max_length=500, blank=True)),
                ("cutoff", models.BigIntegerField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["seat", "number"],
                "indexes": [
                    models.Index(
                        name="seat_version_by_cutoff", fields=["agency", "cutoff"]
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_seat_version_per_number", fields=("seat", "number")
                    ),
                    models.CheckConstraint(
                        name="version_is_removed_after_it_was_added",
                        condition=Q(removed_on__isnull=True)
                        | Q(removed_on__gte=F("added_on")),
                    ),
                    models.CheckConstraint(
                        name="seat_is_held_from_its_first_day",
                        condition=Q(held_from__gte=F("added_on")),
                    ),
                ],
            },
        ),
        # seats.members
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", row_id()),
                ("password", models.CharField(verbose_name="password", max_length=128)),
                (
                    "last_login",
                    models.DateTimeField(
                        verbose_name="last login", blank=True, null=True
                    ),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        verbose_name="superuser status",
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                    ),
                ),
                ("public_id", public_id()),
                (
                    "email",
                    models.EmailField(
                        verbose_name="e-mail address", max_length=254, unique=True
                    ),
                ),
                ("name", models.CharField(max_length=200, blank=True)),
                (
                    "is_staff",
                    models.BooleanField(verbose_name="platform staff", default=False),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "groups",
                    models.ManyToManyField(
                        verbose_name="groups",
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        verbose_name="user permissions",
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                    ),
                ),
            ],
            options={
                "ordering": ["email"],
                "constraints": [
                    models.CheckConstraint(
                        name="email_is_lower_case", condition=Q(email=Lower("email"))
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                ("id", row_id()),
                (
                    "user",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL,
                        models.CASCADE,
                        related_name="memberships",
                    ),
                ),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="members"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("billing_viewer", "Billing Viewer"),
                            ("supervisor", "Supervisor"),
                            ("agent", "Agent"),
                        ],
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        related_name="members",
                    ),
                ),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["agency", "user"],
                "constraints": [
                    models.UniqueConstraint(
                        name="one_role_per_user_and_agency", fields=("user", "agency")
                    ),
                    models.CheckConstraint(
                        name="an_agent_member_names_the_agent",
                        condition=Q(agent__isnull=False, role="agent")
                        | (~Q(role="agent") & Q(agent__isnull=True)),
                    ),
                    models.CheckConstraint(
                        name="member_role_valid",
                        condition=Q(
                            role__in=[
                                "owner",
                                "admin",
                                "billing_viewer",
                                "supervisor",
                                "agent",
                            ]
                        ),
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", row_id()),
                ("public_id", public_id()),
                (
                    "agency",
                    models.ForeignKey(
                        "seats.agency", models.PROTECT, related_name="invitations"
                    ),
                ),
                (
                    "email",
                    models.EmailField(verbose_name="e-mail address", max_length=254),
                ),
                (
                    "role",
                    models.CharField(
                        max_length=16,
                        choices=[
                            ("owner", "Owner"),
                            ("admin", "Admin"),
                            ("billing_viewer", "Billing Viewer"),
                            ("supervisor", "Supervisor"),
                            ("agent", "Agent"),
                        ],
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        "seats.agent",
                        models.PROTECT,
                        blank=True,
                        null=True,
                        related_name="+",
                    ),
                ),
                (
                    "digest",
                    models.CharField(max_length=64, unique=True, editable=False),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+"
                    ),
                ),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL,
                        models.PROTECT,
                        null=True,
                        related_name="+",
                    ),
                ),
                ("revoked_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("revoke_invitation", "Can revoke an invitation")],
                "constraints": [
                    models.UniqueConstraint(
                        name="invitation_open_agency_email_unique",
                        fields=("agency", "email"),
                        condition=Q(accepted_at=None, revoked_at=None),
                    ),
                    models.CheckConstraint(
                        name="invitation_email_lower", condition=Q(email=Lower("email"))
                    ),
                    models.CheckConstraint(
                        name="invitation_agent_matches_role",
                        condition=Q(agent__isnull=False, role="agent")
                        | (~Q(role="agent") & Q(agent__isnull=True)),
                    ),
                    models.CheckConstraint(
                        name="invitation_role_valid",
                        condition=Q(
                            role__in=[
                                "owner",
                                "admin",
                                "billing_viewer",
                                "supervisor",
                                "agent",
                            ]
                        ),
                    ),
                    models.CheckConstraint(
                        name="invitation_expires_after_created",
                        condition=Q(expires_at__gt=F("created_at")),
                    ),
                    models.CheckConstraint(
                        name="invitation_accepted_or_revoked",
                        condition=Q(accepted_at=None) | Q(revoked_at=None),
                    ),
                    models.CheckConstraint(
                        name="invitation_accepted_by_matches_accepted_at",
                        condition=Q(accepted_at=None, accepted_by=None)
                        | Q(accepted_at__isnull=False, accepted_by__isnull=False),
                    ),
                ],
            },
        ),
    ]
