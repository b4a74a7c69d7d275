"""What the application may do with stored call legs."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_sql")]

    operations = [LoadSql({"billing/metering/sql/call_legs.sql": "eb8973860a79"})]
