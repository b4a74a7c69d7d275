"""What the database shows to members of agencies; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("seats", "0002_sql")]

    operations = [
        LoadSql(
            {
                "core/sql/reach.sql": "2b65dc85090b",
                "seats/agencies/sql/row_security.sql": "27b821254b1b",
                "seats/cutoffs/sql/row_security.sql": "0498c8eb7f1f",
                "seats/roster/sql/row_security.sql": "9c091bea55d7",
                "seats/members/sql/row_security.sql": "7e0563fd9839",
                "seats/api_keys/sql/row_security.sql": "9a7ac0bff89e",
            }
        ),
    ]
