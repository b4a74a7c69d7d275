"""The rules that the database itself enforces; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [
        ("seats", "0001_initial"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("admin", "0003_logentry_add_action_flag_choices"),
    ]

    operations = [
        LoadSql(
            {
                "core/sql/django_tables.sql": "4ca9202b24e8",
                "core/sql/append_only.sql": "7d5a170b6963",
                "core/sql/currency_digits.sql": "af5da9f4ede0",
                "seats/cutoffs/sql/cutoff_counters.sql": "240add5118d4",
                "seats/agencies/sql/agencies.sql": "9dd917a88a64",
                "seats/agencies/sql/uplines.sql": "ec038f747524",
                "seats/roster/sql/same_agency.sql": "e6bbded0b9f9",
                "seats/roster/sql/seats.sql": "3409c8e93e2c",
                "seats/members/sql/email_addresses.sql": "88b3d9cf1025",
                "seats/members/sql/invitations.sql": "0983fde13395",
                "seats/members/sql/members.sql": "d75c2909a7d2",
                "seats/api_keys/sql/api_keys.sql": "df0a51680188",
            }
        ),
    ]
