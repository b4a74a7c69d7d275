"""Names of constraints and indexes that say table, columns and rule."""

from django.db import migrations

from core.postgres.operations import RenameConstraint

NAMES = {
    "apikey": {
        "key_scopes_are_known": "api_key_scopes_valid",
    },
    "member": {
        "member_role_is_known": "member_role_valid",
    },
}


class Migration(migrations.Migration):
    dependencies = [
        ("seats", "0010_admin_permissions"),
    ]

    operations = [
        RenameConstraint(model, before, after)
        for model, names in NAMES.items()
        for before, after in names.items()
    ]
