"""The rules that the database itself enforces; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("seats", "0002_sql")]

    operations = [
        LoadSql(
            {
                "billing/recurring/sql/recurring_jobs.sql": "4f01dbcf18a5",
                "billing/mail/sql/mails.sql": "b7a0804d5747",
                "billing/webhooks/sql/outbox.sql": "38926e1a3210",
                "billing/accounts/sql/billing_accounts.sql": "6472af56fa78",
                "billing/accounts/sql/payer_shares.sql": "bef85a2ec130",
                "billing/accounts/sql/standings.sql": "cd1dd974f799",
                "billing/accounts/sql/watermarks.sql": "8bda9cb98841",
                "billing/pricing/sql/published_prices.sql": "c85dbc905b58",
                "billing/metering/sql/usage_events.sql": "cd6bf5cf6062",
                "billing/metering/sql/usage_days.sql": "80eaa0b61f1c",
                "billing/metering/sql/archived_months.sql": "5f7d067916e0",
                "billing/metering/sql/quarantine.sql": "6872c205a516",
                "billing/invoicing/sql/document_lines.sql": "2455dbedf88b",
                "billing/invoicing/sql/documents.sql": "b2332529981c",
                "billing/invoicing/sql/runs.sql": "e2c33d0c2637",
                "billing/invoicing/sql/verification.sql": "30975e4d8a72",
                "billing/invoicing/sql/voids.sql": "3172eec3fa43",
                "billing/ledger/sql/balance.sql": "3d0a35e07e23",
                "billing/processors/sql/processors.sql": "78ddecd54391",
                "billing/receivables/sql/payments.sql": "7ce48ee5c29a",
                "billing/receivables/sql/spending.sql": "3bc33b476c62",
                "billing/receivables/sql/allocations.sql": "f6bbb6234c46",
                "billing/collection/sql/payment_methods.sql": "93217b6e6ebd",
                "billing/collection/sql/attempts.sql": "4d6fc9285a7d",
                "billing/collection/sql/checkout.sql": "a32d32ec90ba",
                "billing/collection/sql/disputes.sql": "ba71de37bc9c",
                "billing/collection/sql/inbound_events.sql": "e2b2cf1907d4",
                "billing/collection/sql/refunds.sql": "7c6de450d382",
                "billing/budgets/sql/budgets.sql": "54c59d558fb7",
                "billing/dunning/sql/cases.sql": "c019b898982a",
                "billing/authorize/sql/facts_for_dialing.sql": "20711fc5e049",
            }
        ),
    ]
