"""Who set up what for an agency, so that it ends when they no longer reach it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0023_reversals"),
        ("seats", "0008_budgets_and_authorize"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="budget",
            name="one_budget_per_thing",
        ),
        migrations.RemoveConstraint(
            model_name="webhookendpoint",
            name="endpoint_state_is_known",
        ),
        migrations.AddField(
            model_name="budget",
            name="ended_at",
            field=models.DateTimeField(
                editable=False,
                help_text="When it ended because its owner no longer reached the agency.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="budget",
            name="owner",
            field=models.ForeignKey(
                editable=False,
                help_text="The agency that set the budget last. Empty: the platform.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="seats.agency",
            ),
        ),
        migrations.AddField(
            model_name="hostedpage",
            name="closed_at",
            field=models.DateTimeField(
                help_text="When the processor was asked to close it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="hostedpage",
            name="owner",
            field=models.ForeignKey(
                help_text="Agency that opened it and must reach the payer; empty for the platform.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="seats.agency",
            ),
        ),
        migrations.AddField(
            model_name="usageimport",
            name="last_turn_at",
            field=models.DateTimeField(
                help_text="When a worker last began to read a part of it.", null=True
            ),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="owner",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                help_text="Who added it and must reach the agency. Empty: the platform.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="seats.agency",
            ),
        ),
        migrations.AlterField(
            model_name="webhookendpoint",
            name="state",
            field=models.CharField(
                choices=[
                    ("enabled", "Enabled"),
                    ("paused", "paused: holds its events"),
                    ("disabled", "disabled: holds its events"),
                    ("ended", "ended: its owner no longer reaches the agency"),
                ],
                default="enabled",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="webhookendpoint",
            index=models.Index(
                condition=models.Q(
                    ("deleted_at", None),
                    ("owner__isnull", False),
                    models.Q(("owner", models.F("agency")), _negated=True),
                    models.Q(("state", "ended"), _negated=True),
                ),
                fields=["agency", "owner"],
                name="endpoint_of_an_upline",
            ),
        ),
        migrations.AddConstraint(
            model_name="budget",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at", None)),
                fields=("agency", "agent", "meter", "hard"),
                name="one_budget_per_thing",
                nulls_distinct=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["enabled", "paused", "disabled", "ended"])
                ),
                name="endpoint_state_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "ended"), _negated=True),
                    models.Q(("sealed_previous", ""), ("sealed_secret", "")),
                    _connector="OR",
                ),
                name="an_ended_endpoint_has_no_secrets",
            ),
        ),
    ]
