"""The rules that the database itself enforces; see the files."""

from django.db import migrations

from core.postgres.sql_files import LoadSql


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("seats", "0002_sql")]

    operations = [
        LoadSql(
            {
                "billing/recurring/sql/recurring_jobs.sql": "4f01dbcf18a5",
                "billing/mail/sql/mails.sql": "0063cfe3b42a",
                "billing/webhooks/sql/outbox.sql": "38926e1a3210",
                "billing/accounts/sql/accounts.sql": "0aabc8c8fe54",
                "billing/accounts/sql/payer_shares.sql": "a2bda4b81dda",
                "billing/accounts/sql/standings.sql": "cd1dd974f799",
                "billing/accounts/sql/watermarks.sql": "8bda9cb98841",
                "billing/pricing/sql/published_prices.sql": "737c46e12d8c",
                "billing/metering/sql/usage_events.sql": "cd6bf5cf6062",
                "billing/metering/sql/usage_days.sql": "183b70dfabc1",
                "billing/metering/sql/archived_months.sql": "f6708e7f95c7",
                "billing/metering/sql/quarantine.sql": "6872c205a516",
                "billing/invoicing/sql/document_lines.sql": "96edef93a5a2",
                "billing/invoicing/sql/documents.sql": "85764fd6c53b",
                "billing/invoicing/sql/runs.sql": "e2c33d0c2637",
                "billing/invoicing/sql/verification.sql": "e95c1292dcf9",
                "billing/invoicing/sql/voids.sql": "3172eec3fa43",
                "billing/ledger/sql/balance.sql": "3d0a35e07e23",
                "billing/processors/sql/processors.sql": "78ddecd54391",
                "billing/receivables/sql/payments.sql": "7ce48ee5c29a",
                "billing/receivables/sql/spending.sql": "3bc33b476c62",
                "billing/receivables/sql/allocations.sql": "b2fdc5a8a596",
                "billing/collection/sql/payment_methods.sql": "93217b6e6ebd",
                "billing/collection/sql/attempts.sql": "567fc10980d5",
                "billing/collection/sql/checkout.sql": "a32d32ec90ba",
                "billing/collection/sql/disputes.sql": "ba71de37bc9c",
                "billing/collection/sql/inbound_events.sql": "3d003e4bd50b",
                "billing/collection/sql/refunds.sql": "865a5d02dc9e",
                "billing/budgets/sql/budgets.sql": "54c59d558fb7",
                "billing/dunning/sql/cases.sql": "1f675895727c",
                "billing/authorize/sql/facts_for_dialing.sql": "20711fc5e049",
            }
        ),
    ]
