"""What the database shows to members of changes and of support; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("seats", "0004_audit")]

    operations = [
        LoadSql(
            {
                "seats/audit/sql/row_security.sql": "4162860eb565",
                "seats/support/sql/row_security.sql": "d8381ec6f86a",
            }
        ),
    ]
