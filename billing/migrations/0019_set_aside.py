"""Quarantined events of processors may be set aside."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0018_faster_authorize"),
    ]

    operations = [
        migrations.AlterField(
            model_name="processorevent",
            name="state",
            field=models.CharField(
                choices=[
                    ("received", "Received"),
                    ("done", "Done"),
                    ("quarantined", "Quarantined"),
                    ("set_aside", "set aside: nothing is to be done"),
                ],
                default="received",
                max_length=16,
            ),
        ),
    ]
