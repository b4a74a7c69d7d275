"""An account of a payer is a billing account; the ledger has accounts, and so do users."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def rename(apps: Any, before: str, after: str) -> None:
    """Rename the permissions, so that groups and users keep them."""
    permissions = apps.get_model("auth", "Permission").objects
    for permission in permissions.filter(
        content_type__app_label="billing", codename__endswith=f"_{before}"
    ):
        action = permission.codename.removesuffix(f"_{before}")
        codename = f"{action}_{after}"
        permissions.filter(
            content_type=permission.content_type, codename=codename
        ).delete()
        permission.codename = codename
        permission.save()


def forwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, "account", "billingaccount")


def backwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, "billingaccount", "account")


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0036_constraint_names"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RenameModel("Account", "BillingAccount"),
        migrations.AlterModelOptions(
            name="billingaccount",
            options={
                "permissions": [
                    ("suspend_billingaccount", "Can suspend outbound calls"),
                    ("lift_billingaccount", "Can allow outbound calls again"),
                ]
            },
        ),
        migrations.AlterField(
            model_name="billingaccount",
            name="payer",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="billing_account",
                serialize=False,
                to="seats.agency",
            ),
        ),
        migrations.RunPython(forwards, backwards),
    ]
