"""Names of the field for a table and three columns."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

DISPUTE_CHANGES = """
CREATE OR REPLACE FUNCTION dispute_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO billing_disputechange (dispute_id, state, reason, recorded_at)
    VALUES (NEW.id, NEW.state, NEW.reason, NEW.reported_at);
    RETURN NULL;
END $$;
"""


def rename_permissions(apps: Any, schema_editor: Any) -> None:
    """What groups and users may do with checkout pages stays theirs."""
    permissions = apps.get_model("auth", "Permission").objects
    for permission in permissions.filter(codename__endswith="_hostedpage"):
        codename = permission.codename.replace("hostedpage", "checkoutpage")
        if permissions.filter(
            content_type=permission.content_type, codename=codename
        ).exists():
            permission.delete()
            continue
        permission.codename = codename
        permission.name = permission.name.replace("hosted page", "checkout page")
        permission.save()


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0029_inquiry_amounts"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RenameModel("HostedPage", "CheckoutPage"),
        migrations.AlterModelOptions(
            name="checkoutpage",
            options={
                "ordering": ["-pk"],
                "permissions": [("close_checkoutpage", "Can close a checkout page")],
            },
        ),
        migrations.RenameField("budgetalert", "told_on", "sent_on"),
        migrations.RenameField("refundattempt", "asked_as", "request_reference"),
        migrations.SeparateDatabaseAndState(  # the index follows its column
            state_operations=[
                migrations.RemoveConstraint(
                    model_name="refundattempt", name="a_refund_is_asked_for_once"
                ),
                migrations.AddConstraint(
                    model_name="refundattempt",
                    constraint=models.UniqueConstraint(
                        fields=["payment", "request_reference"],
                        condition=~models.Q(request_reference=""),
                        name="a_refund_is_asked_for_once",
                    ),
                ),
            ]
        ),
        migrations.RenameField("dispute", "told_at", "reported_at"),
        migrations.AlterField(
            model_name="processorevent",
            name="attempt",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="processor_events",
                to="billing.paymentattempt",
            ),
        ),
        migrations.RunSQL(DISPUTE_CHANGES, migrations.RunSQL.noop),
        migrations.RunPython(rename_permissions, migrations.RunPython.noop),
    ]
