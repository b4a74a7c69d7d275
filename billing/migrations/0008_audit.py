"""The triggers that record changes of the tables of billing."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("billing", "0007_staff"), ("seats", "0004_audit")]

    operations = [
        LoadSql(
            {
                "billing/accounts/sql/audit.sql": "3daaf9c1260b",
                "billing/pricing/sql/audit.sql": "be988a4334a5",
                "billing/budgets/sql/audit.sql": "c7f926293c7c",
                "billing/processors/sql/audit.sql": "bd13889fb27d",
                "billing/collection/sql/audit.sql": "4fe405432bdd",
                "billing/metering/sql/audit.sql": "fac67f4ace5f",
                "billing/receivables/sql/audit.sql": "dcab3d4da549",
                "billing/dunning/sql/audit.sql": "d8fc8c3f813e",
                "billing/invoicing/sql/audit.sql": "d2a2087dbf2e",
                "billing/webhooks/sql/audit.sql": "ad7621a5a797",
            }
        ),
    ]
