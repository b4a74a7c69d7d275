"""Legs of calls that may wait for others, and every row and second of an import."""

import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0039_one_queue"),
        ("seats", "0012_cutoff_counter"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConversationLeg",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("source", models.CharField(max_length=200)),
                ("leg", models.CharField(max_length=200)),
                ("conversation", models.CharField(max_length=200)),
                (
                    "content",
                    models.JSONField(
                        help_text="The leg as it was read, without numbers."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("counted", "Counted"),
                            ("skipped", "Skipped"),
                            ("waiting", "Waiting"),
                        ],
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=80)),
                ("event", models.CharField(blank=True, max_length=220)),
                ("agent", models.CharField(blank=True, max_length=200)),
                ("version", models.PositiveSmallIntegerField(default=0)),
                ("used_on", models.DateField()),
                ("received_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "call leg",
                "ordering": ["-pk"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="usageimport",
            name="usage_import_rows_equal_counts",
        ),
        migrations.AddField(
            model_name="usageimport",
            name="reading",
            field=models.PositiveSmallIntegerField(db_default=1, default=2),
        ),
        migrations.AddField(
            model_name="usageimport",
            name="reasons",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
            ),
        ),
        migrations.AddField(
            model_name="usageimport",
            name="seconds",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
            ),
        ),
        migrations.AddField(
            model_name="usageimport",
            name="unread",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
            ),
        ),
        migrations.AddField(
            model_name="usageimport",
            name="waiting",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
            ),
        ),
        migrations.AddConstraint(
            model_name="usageimport",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "rows",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    django.db.models.expressions.CombinedExpression(
                                        django.db.models.expressions.CombinedExpression(
                                            models.F("accepted"),
                                            "+",
                                            models.F("duplicate"),
                                        ),
                                        "+",
                                        models.F("rejected"),
                                    ),
                                    "+",
                                    models.F("skipped"),
                                ),
                                "+",
                                models.F("waiting"),
                            ),
                            "+",
                            models.F("unread"),
                        ),
                    )
                ),
                name="usage_import_rows_equal_counts",
            ),
        ),
        migrations.AddField(
            model_name="conversationleg",
            name="agency",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="seats.agency",
            ),
        ),
        migrations.AddIndex(
            model_name="conversationleg",
            index=models.Index(
                fields=["agency", "source", "conversation"],
                name="conversation_leg_together",
            ),
        ),
        migrations.AddIndex(
            model_name="conversationleg",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["used_on"],
                name="conversation_leg_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="conversationleg",
            constraint=models.UniqueConstraint(
                fields=("agency", "source", "leg"), name="conversation_leg_unique_leg"
            ),
        ),
        migrations.AddConstraint(
            model_name="conversationleg",
            constraint=models.CheckConstraint(
                condition=models.Q(("event", ""), ("state", "counted"), _negated=True),
                name="conversation_leg_counted_has_event",
            ),
        ),
    ]
