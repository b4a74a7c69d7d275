"""What the database shows to members of changes and of support; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("seats", "0004_audit")]

    operations = [
        LoadSql(
            {
                "seats/audit/sql/row_security.sql": "d546d111cc70",
                "seats/support/sql/row_security.sql": "aef8cff63292",
            }
        ),
    ]
