"""What the database shows to members of agencies; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("billing", "0005_dial_plans"), ("seats", "0003_row_security")]

    operations = [
        LoadSql(
            {
                "billing/accounts/sql/row_security.sql": "7674c5e69a8c",
                "billing/pricing/sql/row_security.sql": "682d16e0dac6",
                "billing/metering/sql/archived_months.sql": "2e3178030b4b",
                "billing/metering/sql/row_security.sql": "dde4e1bd1648",
                "billing/rendering/sql/row_security.sql": "e7614b2ded2a",
                "billing/processors/sql/row_security.sql": "b2adee3a1dfa",
                "billing/invoicing/sql/row_security.sql": "83895b2f3a02",
                "billing/receivables/sql/row_security.sql": "f4a079ac18ac",
                "billing/ledger/sql/row_security.sql": "a081bad19f8a",
                "billing/budgets/sql/row_security.sql": "68084b6f4398",
                "billing/collection/sql/row_security.sql": "6d84aaae2eec",
                "billing/dunning/sql/row_security.sql": "4fdff42e2a97",
                "billing/webhooks/sql/row_security.sql": "670608a209d6",
            }
        ),
    ]
