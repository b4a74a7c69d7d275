"""Which scopes exist is declared by the rooms; the database checks their form."""

import django.contrib.postgres.fields
import django.db.models.functions
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("seats", "0012_cutoff_counter")]

    operations = [
        migrations.RemoveConstraint(model_name="apikey", name="api_key_scopes_valid"),
        migrations.AlterField(
            model_name="apikey",
            name="scopes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=32), size=None
            ),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Regex(
                    django.db.models.functions.Cast(
                        models.F("scopes"), models.TextField()
                    ),
                    r"^\{[a-z_]+:(read|write)(,[a-z_]+:(read|write))*\}$",
                ),
                name="api_key_scopes_valid",
            ),
        ),
    ]
