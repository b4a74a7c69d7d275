"""Scopes for webhooks."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("seats", "0006_payment_scopes")]

    operations = [
        migrations.RemoveConstraint("apikey", "key_scopes_are_known"),
        migrations.AlterField(
            "apikey",
            "scopes",
            django.contrib.postgres.fields.ArrayField(
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
                    ],
                    max_length=32,
                ),
                size=None,
            ),
        ),
        migrations.AddConstraint(
            "apikey",
            models.CheckConstraint(
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
                        ],
                    ),
                    ("scopes__len__gt", 0),
                ),
                name="key_scopes_are_known",
            ),
        ),
    ]
