"""Queues share their columns: attempts, next_attempt_at, leased_until and last_error.

A lease has a column of its own, and a constraint ties it to the states of work.
"""

from typing import Any

from django.db import migrations, models
from django.db.models import Q

from core.postgres.privileges import restrict

FUNCTIONS = """
CREATE OR REPLACE FUNCTION attempt_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.last_error <> OLD.last_error THEN
        INSERT INTO billing_attemptchange (attempt_id, state, error, recorded_at)
        VALUES (NEW.id, NEW.state, NEW.last_error, NEW.changed_at);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION refund_attempt_is_remembered() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.state <> OLD.state OR NEW.last_error <> OLD.last_error THEN
        INSERT INTO billing_refundattemptchange (attempt_id, state, error, recorded_at)
        VALUES (NEW.id, NEW.state, NEW.last_error, NEW.changed_at);
    END IF;
    RETURN NULL;
END $$;
"""
# While a row was worked on, `next_attempt_at` was the end of its lease. Of a pending or
# unknown attempt and of an event nobody can tell: it just becomes due when a lease would end.
# Constraints are checked at once: a table with checks to come cannot be altered.
FILL = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE billing_delivery SET leased_until = next_attempt_at WHERE state = 'sending';
UPDATE billing_paymentattempt SET leased_until = next_attempt_at WHERE state = 'sent';
UPDATE billing_refundattempt SET leased_until = next_attempt_at WHERE state = 'sent';
UPDATE billing_paymentattempt SET attempts = sends + lookups WHERE sends + lookups > 0;
UPDATE billing_refundattempt SET attempts = sends + lookups WHERE sends + lookups > 0;
UPDATE billing_processorevent SET last_error = reason, reason = ''
    WHERE state <> 'set_aside' AND reason <> '';
UPDATE billing_usageimport SET next_attempt_at = created_at;
UPDATE billing_usageimport SET leased_until = NULL
    WHERE state <> 'running' AND leased_until IS NOT NULL;
UPDATE billing_usageimport SET leased_until = created_at
    WHERE state = 'running' AND leased_until IS NULL;
UPDATE billing_runitem SET leased_until = NULL
    WHERE state <> 'working' AND leased_until IS NOT NULL;
UPDATE billing_runitem SET leased_until = next_attempt_at
    WHERE state = 'working' AND leased_until IS NULL;
"""
UNFILL = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE billing_delivery SET next_attempt_at = leased_until
    WHERE leased_until IS NOT NULL;
UPDATE billing_paymentattempt SET next_attempt_at = leased_until
    WHERE leased_until IS NOT NULL;
UPDATE billing_refundattempt SET next_attempt_at = leased_until
    WHERE leased_until IS NOT NULL;
UPDATE billing_processorevent SET next_attempt_at = leased_until
    WHERE leased_until IS NOT NULL;
UPDATE billing_processorevent SET reason = left(last_error, 200)
    WHERE state <> 'set_aside';
"""
MOVING = (
    "state, changed_at, last_error, reference, sends, lookups, first_sent_at,"
    " next_attempt_at, reported_at, closed_by, attempts, leased_until"
)
WORKED_OFF = (
    "state, reason, attempt_id, attempts, next_attempt_at, leased_until, last_error,"
    " payment_reference, reported_at, conflicts, conflict_body"
)
QUEUES = ["delivery", "mail", "paymentattempt", "processorevent", "refundattempt",
          "runitem", "usageimport"]  # fmt: skip
# Model, its check, the states that may be leased, and those that always are.
LEASES = [
    ("delivery", "delivery_lease_matches_state", ["sending"], ["sending"]),
    ("mail", "mail_lease_matches_state", ["sending"], ["sending"]),
    ("paymentattempt", "payment_attempt_lease_matches_state",
     ["sent", "pending", "unknown"], ["sent"]),
    ("processorevent", "processor_event_lease_matches_state", ["received", "waiting"], []),
    ("refundattempt", "refund_attempt_lease_matches_state",
     ["sent", "pending", "unknown"], ["sent"]),
    ("runitem", "run_item_lease_matches_state", ["working"], ["working"]),
    ("usageimport", "usage_import_lease_matches_state", ["running"], ["running"]),
]  # fmt: skip
UNFINISHED = ["created", "pending", "unknown", "sent"]
INDEXES = [
    ("paymentattempt", "attempt_due", UNFINISHED),
    ("refundattempt", "refund_attempt_due", UNFINISHED),
    ("usageimport", "usage_import_unfinished", ["waiting", "running"]),
]


def attempts() -> Any:
    return models.PositiveIntegerField(
        default=0, help_text="Attempts begun; each is counted before the work."
    )


def next_attempt_at(**options: Any) -> Any:
    return models.DateTimeField(help_text="When the next attempt is due.", **options)


def leased_until() -> Any:
    return models.DateTimeField(
        blank=True,
        help_text="While a worker holds it: when another may take over.",
        null=True,
    )


def last_error() -> Any:
    return models.TextField(
        blank=True, help_text="Why the last attempt did not succeed."
    )


def lease_check(name: str, leased: list[str], working: list[str]) -> Any:
    free = Q(leased_until=None)
    if working:
        free &= ~Q(state__in=working)
    held = Q(leased_until__isnull=False, state__in=leased)
    return models.CheckConstraint(condition=held | free, name=name)


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0037_billing_account"),
    ]

    operations = [
        migrations.RemoveConstraint("mail", "mail_lease_matches_state"),
        migrations.RemoveConstraint(
            "verificationrun", "a_running_verification_has_a_lease"
        ),
        *(migrations.RemoveIndex(model, name) for model, name, _ in INDEXES),
        *(
            migrations.RenameField(model, "lease_until", "leased_until")
            for model in ("mail", "runitem", "usageimport", "verificationrun")
        ),
        *(
            migrations.RenameField(model, "error", "last_error")
            for model in ("paymentattempt", "refundattempt", "usageimport")
        ),
        migrations.RenameField("processorevent", "tries", "attempts"),
        *(
            migrations.AddField(model, "leased_until", leased_until())
            for model in (
                "delivery", "paymentattempt", "processorevent", "refundattempt",
            )
        ),
        *(
            migrations.AddField(model, "attempts", attempts())
            for model in ("paymentattempt", "refundattempt")
        ),
        *(
            migrations.AddField(model, "last_error", last_error())
            for model in ("delivery", "processorevent")
        ),
        migrations.AddField("usageimport", "next_attempt_at", next_attempt_at(null=True)),
        migrations.RunSQL(FUNCTIONS, FUNCTIONS.replace(".last_error", ".error")),
        migrations.RunSQL(FILL, UNFILL),
        *(
            migrations.AlterField(model, name, field())
            for model in QUEUES
            for name, field in (
                ("attempts", attempts), ("next_attempt_at", next_attempt_at),
                ("leased_until", leased_until), ("last_error", last_error),
            )
        ),
        migrations.AlterField(
            "processorevent",
            "reason",
            models.CharField(
                blank=True, help_text="Who set it aside, and why.", max_length=200
            ),
        ),
        *(
            migrations.AddIndex(
                model,
                models.Index(
                    fields=["next_attempt_at"], condition=Q(state__in=states), name=name
                ),
            )
            for model, name, states in INDEXES
        ),
        *(
            migrations.AddConstraint(model, lease_check(name, leased, working))
            for model, name, leased, working in LEASES
        ),
        migrations.AddConstraint(
            "verificationrun",
            models.CheckConstraint(
                condition=Q(
                    state="running", finished_at=None, leased_until__isnull=False
                )
                | ~Q(state="running") & Q(finished_at__isnull=False, leased_until=None),
                name="a_running_verification_has_a_lease",
            ),
        ),
        restrict(
            {
                "billing_paymentattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_refundattempt": f"SELECT, INSERT, UPDATE ({MOVING})",
                "billing_processorevent": f"SELECT, INSERT, UPDATE ({WORKED_OFF})",
            }
        ),
    ]  # fmt: skip
