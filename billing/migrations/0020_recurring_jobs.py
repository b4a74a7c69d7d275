"""Recurring work says in a row when it is due."""

from django.db import migrations, models

from core.postgres.privileges import restrict


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0019_set_aside"),
    ]

    operations = [
        migrations.CreateModel(
            name="RecurringJob",
            fields=[
                (
                    "name",
                    models.CharField(max_length=64, primary_key=True, serialize=False),
                ),
                ("next_run_at", models.DateTimeField()),
                ("claims", models.PositiveBigIntegerField(default=0)),
                ("last_finished_at", models.DateTimeField(blank=True, null=True)),
                ("last_error", models.CharField(blank=True, max_length=500)),
            ],
            options={"ordering": ["name"]},
        ),
        restrict({"billing_recurringjob": "SELECT, INSERT, UPDATE"}),
    ]
