"""Usage days are updated all month: room on the page, and no index nobody reads."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("billing", "0003_guards")]

    operations = [
        migrations.AlterField(
            "usageday",
            "agent",
            models.ForeignKey(
                to="seats.agent",
                on_delete=django.db.models.deletion.PROTECT,
                null=True,
                related_name="+",
                db_index=False,
                db_constraint=False,
            ),
        ),
        migrations.RunSQL(
            "ALTER TABLE billing_usageday SET (fillfactor = 75);"
            "ALTER SEQUENCE billing_usageday_id_seq CACHE 1000",
            "ALTER TABLE billing_usageday RESET (fillfactor);"
            "ALTER SEQUENCE billing_usageday_id_seq CACHE 1",
        ),
    ]
