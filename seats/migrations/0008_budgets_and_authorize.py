"""Scopes for budgets, and for asking who may dial."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("seats", "0007_webhook_scopes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="apikey",
            name="key_scopes_are_known",
        ),
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[
                        ("seats:read", "Seats Read"),
                        ("seats:write", "Seats Write"),
                        ("usage:read", "Usage Read"),
                        ("usage:write", "Usage Write"),
                        ("invoices:read", "Invoices Read"),
                        ("payments:read", "Payments Read"),
                        ("payments:write", "Payments Write"),
                        ("webhooks:read", "Webhooks Read"),
                        ("webhooks:write", "Webhooks Write"),
                        ("budgets:read", "Budgets Read"),
                        ("budgets:write", "Budgets Write"),
                        ("authorize:read", "Authorize Read"),
                    ],
                    max_length=32,
                ),
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "scopes__contained_by",
                        [
                            "seats:read",
                            "seats:write",
                            "usage:read",
                            "usage:write",
                            "invoices:read",
                            "payments:read",
                            "payments:write",
                            "webhooks:read",
                            "webhooks:write",
                            "budgets:read",
                            "budgets:write",
                            "authorize:read",
                        ],
                    ),
                    ("scopes__len__gt", 0),
                ),
                name="key_scopes_are_known",
            ),
        ),
    ]
