"""`due_at` is when money is due; a queue has `next_attempt_at`."""

from django.db import migrations, models
from django.db.models import Q

OPEN = ["created", "sent", "pending", "unknown"]
# Model, name and columns of each index, and the states that it is over.
INDEXES = [
    ("delivery", "delivery_due", ["endpoint", "next_attempt_at", "event"],
     ["pending", "sending"]),
    ("paymentattempt", "attempt_due", ["next_attempt_at"], OPEN),
    ("processorevent", "processor_event_due", ["next_attempt_at"],
     ["received", "waiting"]),
    ("refundattempt", "refund_attempt_due", ["next_attempt_at"], OPEN),
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0030_plain_names"),
    ]

    operations = [
        *(
            migrations.RenameField(model, "due_at", "next_attempt_at")
            for model, *_ in INDEXES
        ),
        migrations.SeparateDatabaseAndState(  # the indexes follow their columns
            state_operations=[
                operation
                for model, name, fields, states in INDEXES
                for operation in (
                    migrations.RemoveIndex(model_name=model, name=name),
                    migrations.AddIndex(
                        model_name=model,
                        index=models.Index(
                            fields=fields, condition=Q(state__in=states), name=name
                        ),
                    ),
                )
            ]
        ),
    ]
